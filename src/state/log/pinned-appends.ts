import type { Pins } from '../../base/pinned-memory.js'
import type { Logs } from '../cluster.js'

/** The logs, with each batch pinned from the call of `append` until it has its outcome. */
export function pinnedAppends(logs: Logs, pins: Pins): Logs {
  return {
    ...logs,
    async append(batches) {
      for (const { batch } of batches) pins.pin(batch)
      const outcomes = await logs.append(batches)
      // If that fails they may still be on their way to the store.
      for (const { batch } of batches) pins.unpin(batch)
      return outcomes
    },
  }
}
