import type { Clock, Timer } from '../base/clock.js'

/** When a batch is full. */
export interface BatchLimits {
  size: number
  bytes: number
  timeoutMs: number
}

interface Sized {
  readonly bytes: number
}

/** Collects items until there is a batch of them: so many, so many bytes, or so long after the first. */
export interface Batcher<Item extends Sized> {
  add(item: Item): void
  /** Makes everything that waits due now, in batches of the limits' size. */
  flush(): void
  /** The next batch if one is due. */
  take(): Item[] | undefined
  /** Items that wait. */
  readonly length: number
  /** Stops the timer; what waits is forgotten. */
  close(): void
}

/** A batcher that calls `due` each time there may be something to take. */
export function createBatcher<Item extends Sized>(limits: BatchLimits, clock: Clock, due: () => void): Batcher<Item> {
  let waiting: Item[] = []
  let bytes = 0
  // So many of the first items are due whatever the batch's size.
  let overdue = 0
  let timer: Timer | undefined

  const isFull = () => waiting.length >= limits.size || bytes >= limits.bytes
  const flush = () => {
    timer?.cancel()
    timer = undefined
    overdue = waiting.length
    if (overdue > 0) due()
  }

  return {
    get length() {
      return waiting.length
    },
    add(item) {
      waiting.push(item)
      bytes += item.bytes
      if (isFull()) due()
      else timer ??= clock.after(limits.timeoutMs, flush)
    },
    flush,
    take() {
      if (waiting.length === 0 || !(overdue > 0 || isFull())) return undefined
      let count = 0
      let taken = 0
      for (const item of waiting) {
        if (count === limits.size || (count > 0 && taken + item.bytes > limits.bytes)) break
        count++
        taken += item.bytes
      }
      const batch = waiting.slice(0, count)
      waiting = waiting.slice(count)
      bytes -= taken
      overdue = Math.max(0, overdue - count)
      timer?.cancel()
      timer = waiting.length > 0 && overdue === 0 && !isFull() ? clock.after(limits.timeoutMs, flush) : undefined
      return batch
    },
    close() {
      timer?.cancel()
      timer = undefined
      waiting = []
      bytes = 0
      overdue = 0
    },
  }
}
