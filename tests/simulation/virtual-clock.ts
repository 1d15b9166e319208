import type { Clock, Timer } from '../../src/base/clock.js'

interface Event {
  atMs: number
  order: number
  run: (() => void) | undefined
}

/**
 * No timer is shorter, but for none, milliseconds: a rest of a rounding error added to the time would not change it,
 * and who waits for that rest again and again would wait for ever.
 */
const shortestMs = 0.001

/**
 * Time that stands still until the simulation moves it. Events run one by one in the order of their times; between
 * two of them every promise that can settle does.
 */
export class VirtualClock implements Clock {
  #nowMs = 0
  #order = 0
  /** A binary heap by time, then by order. */
  readonly #events: Event[] = []
  readonly #epochMs: number

  constructor(epochMs = 1_700_000_000_000) {
    this.#epochMs = epochMs
  }

  now(): number {
    return Math.floor(this.#epochMs + this.#nowMs)
  }

  monotonic(): number {
    return this.#nowMs
  }

  after(ms: number, task: () => void): Timer {
    const waitMs = ms > 0 ? Math.max(ms, shortestMs) : 0
    const event: Event = { atMs: this.#nowMs + waitMs, order: this.#order++, run: task }
    this.#push(event)
    return {
      cancel() {
        event.run = undefined
      },
    }
  }

  soon(task: () => void): void {
    this.after(0, task)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const timer = this.after(ms, done)
      function done() {
        timer.cancel()
        signal?.removeEventListener('abort', done)
        resolve()
      }
      signal?.addEventListener('abort', done)
    })
  }

  /** Runs events until `untilMs` (monotonic), or until `isDone`; false if there was nothing left to run before. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    await settled()
    while (!isDone()) {
      const event = this.#events[0]
      if (event === undefined) return false
      if (event.atMs > untilMs) {
        this.#nowMs = untilMs
        return true
      }
      this.#pop()
      this.#nowMs = Math.max(this.#nowMs, event.atMs)
      if (event.run === undefined) continue
      event.run()
      await settled()
    }
    return true
  }

  /** Runs events until the promise has settled, at most for `ms`; gives the promise. */
  async runUntilSettled<T>(promise: Promise<T>, ms: number): Promise<T> {
    let isSettled = false
    const settle = () => {
      isSettled = true
    }
    promise.then(settle, settle)
    await this.run(this.#nowMs + ms, () => isSettled)
    return promise
  }

  #push(event: Event): void {
    const heap = this.#events
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(heap[parent] as Event, event)) break
      heap[at] = heap[parent] as Event
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#events
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++
      if (!isBefore(heap[child] as Event, last)) break
      heap[at] = heap[child] as Event
      at = child
    }
    heap[at] = last
  }
}

const isBefore = (a: Event, b: Event) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/** Resolves when all promises that need no event have settled: the machine's own queue comes after all of them. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
