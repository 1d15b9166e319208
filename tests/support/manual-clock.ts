import type { Clock, Timer } from '../../src/base/clock.js'

/** A clock that stands still until it is advanced; what falls due then runs in order of time. */
export class ManualClock implements Clock {
  #nowMs = 0
  #sequence = 0
  readonly #tasks = new Map<number, { atMs: number; task: () => void }>()
  /** Wall-clock time at the start. */
  readonly #epochMs: number

  constructor(epochMs = 1_700_000_000_000) {
    this.#epochMs = epochMs
  }

  now(): number {
    return this.#epochMs + this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  after(ms: number, task: () => void): Timer {
    const id = this.#sequence++
    this.#tasks.set(id, { atMs: this.#nowMs + ms, task })
    return { cancel: () => this.#tasks.delete(id) }
  }

  soon(task: () => void): void {
    this.after(0, task)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = () => {
        timer.cancel()
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = this.after(ms, done)
      signal?.addEventListener('abort', done)
    })
  }

  /** Lets time pass, running what falls due, and what follows from that, at its time. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    for (;;) {
      await settled()
      let next: [id: number, atMs: number] | undefined
      for (const [id, { atMs }] of this.#tasks) if (next === undefined || atMs < next[1]) next = [id, atMs]
      if (next === undefined || next[1] > endMs) break
      const due = this.#tasks.get(next[0])
      this.#tasks.delete(next[0])
      this.#nowMs = Math.max(this.#nowMs, next[1])
      due?.task()
    }
    this.#nowMs = endMs
  }
}

/** Resolves when all promises that wait for nothing else have run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
