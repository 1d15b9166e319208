import type { Clock } from '../../base/clock.js'
import { StoreError } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import type { ObjectStore, PutOutcome } from '../store/object-store.js'

/** Longest wait between two attempts, milliseconds. */
const backoffMsMax = 1_000

export interface InsistentPut {
  store: ObjectStore
  clock: Clock
  random: Random
  log: Log
  key: string
  body: readonly Buffer[]
  /** Nobody needs to know any more: the object was found there, or the instance ends. */
  isMoot(): boolean
  onFailure(error: StoreError): void
}

/**
 * Puts the same bytes under the same key until the store says what stands there. After an attempt of unknown outcome
 * `exists` may be our own success; who asked must be able to tell, or not to care. `moot` if nobody needs to know.
 */
export async function putUntilAnswered(put: InsistentPut): Promise<PutOutcome | 'moot'> {
  const { store, clock, random, log, key, body, isMoot, onFailure } = put
  for (let attempt = 1; !isMoot(); attempt++) {
    try {
      return await store.putIfAbsent(key, body)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      onFailure(error)
      if (attempt === 1) log.warn({ key, error: error.message }, 'a put failed; it is tried again')
      await clock.sleep(Math.min(backoffMsMax, 10 * 2 ** Math.min(attempt, 10)) * (0.5 + random.next()))
    }
  }
  return 'moot'
}
