import type { Clock, Timer } from '../base/clock.js'
import type { Logs, TopicPartition } from '../state/cluster.js'

export interface WaitOptions {
  readonly logs: Pick<Logs, 'watch'>
  readonly partitions: readonly TopicPartition[]
  /** Asked again after each change of one of the partitions. */
  readonly isReady: () => boolean
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Who waits for data, until when? Resolves when `isReady` says so, after `timeoutMs`, or when `signal` is aborted,
 * whichever is first; never rejects. `isReady` was false when this was called.
 */
export function waitForRecords(options: WaitOptions): Promise<void> {
  return new Promise((resolve) => {
    const { logs, partitions, isReady, clock, timeoutMs, signal } = options
    if (signal.aborted) {
      resolve()
      return
    }
    let isChecking = false
    let isOver = false
    let timer: Timer | undefined
    const end = () => {
      if (isOver) return
      isOver = true
      timer?.cancel()
      unwatch()
      signal.removeEventListener('abort', end)
      resolve()
    }
    // A wake is called while the ledger is being applied: whether there is enough is asked once that is done.
    const check = () => {
      isChecking = false
      if (!isOver && isReady()) end()
    }
    const wake = () => {
      if (isChecking) return
      isChecking = true
      queueMicrotask(check)
    }
    const unwatch = logs.watch(partitions, wake)
    timer = clock.after(timeoutMs, end)
    signal.addEventListener('abort', end)
  })
}
