import type { Clock, Timer } from '../../src/base/clock.js'
import type { VirtualClock } from './virtual-clock.js'

/**
 * One simulated process: its clock, and a gate through which all that reaches it from outside passes. A crashed
 * process hears nothing any more; a paused one hears everything later, in the order in which it came.
 */
export class SimulatedProcess {
  readonly clock: Clock
  readonly #world: VirtualClock
  #isAlive = true
  #pausedUntilMs = 0

  /** `skewMs`: how far the process's wall clock is ahead of the world's. */
  constructor(world: VirtualClock, skewMs = 0) {
    this.#world = world
    this.clock = {
      now: () => world.now() + skewMs,
      monotonic: () => world.monotonic(),
      after: (ms, task) => this.#after(ms, task),
      soon: (task) => world.soon(() => this.deliver(task)),
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve()
          const done = () => {
            timer.cancel()
            signal?.removeEventListener('abort', done)
            resolve()
          }
          const timer = this.#after(ms, done)
          signal?.addEventListener('abort', done)
        }),
    }
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  get isPaused(): boolean {
    return this.#pausedUntilMs > this.#world.monotonic()
  }

  crash(): void {
    this.#isAlive = false
  }

  pause(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#world.monotonic() + ms)
  }

  /** Runs `task` in the process: now, when its pause is over, or never. */
  deliver(task: () => void): void {
    if (!this.#isAlive) return
    const waitMs = this.#pausedUntilMs - this.#world.monotonic()
    if (waitMs > 0) this.#world.after(waitMs, () => this.deliver(task))
    else task()
  }

  /** A timer that came due during a pause can still be cancelled by what runs first after it. */
  #after(ms: number, task: () => void): Timer {
    let isCancelled = false
    const timer = this.#world.after(ms, () =>
      this.deliver(() => {
        if (!isCancelled) task()
      }),
    )
    return {
      cancel() {
        isCancelled = true
        timer.cancel()
      },
    }
  }
}
