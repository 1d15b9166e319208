/** A timer that can be cancelled; cancelling one that has fired does nothing. */
export interface Timer {
  cancel(): void
}

/**
 * Time comes in by the door: everything below `main` that asks for the time or waits takes a `Clock`,
 * so that a simulation can own time.
 */
export interface Clock {
  /** Wall-clock time, milliseconds since the epoch. May jump. */
  now(): number
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number
  /** Calls `task` once after `ms` milliseconds. Does not keep the process alive. */
  after(ms: number, task: () => void): Timer
  /** Calls `task` soon, after the I/O that is already waiting has been handled. */
  soon(task: () => void): void
  /** Resolves after `ms` milliseconds, or at once when `signal` is aborted (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  soon(task) {
    setImmediate(task)
  },
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', done)
    }),
}
