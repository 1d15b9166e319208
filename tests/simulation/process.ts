import type { Clock } from '../../src/base/clock.js'
import type { VirtualClock } from './virtual-clock.js'

/**
 * One simulated process: its clock, and a gate through which all that reaches it from outside passes. A crashed
 * process hears nothing any more; a paused one hears everything later, at once.
 */
export class SimulatedProcess {
  readonly clock: Clock
  readonly #world: VirtualClock
  #isAlive = true
  #pausedUntilMs = 0

  constructor(world: VirtualClock) {
    this.#world = world
    this.clock = {
      now: () => world.now(),
      monotonic: () => world.monotonic(),
      after: (ms, task) => world.after(ms, () => this.deliver(task)),
      soon: (task) => world.soon(() => this.deliver(task)),
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve()
          const timer = world.after(ms, () => this.deliver(resolve))
          signal?.addEventListener('abort', () => {
            timer.cancel()
            resolve()
          })
        }),
    }
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  crash(): void {
    this.#isAlive = false
  }

  pause(ms: number): void {
    this.#pausedUntilMs = this.#world.monotonic() + ms
  }

  /** Runs `task` in the process: now, when its pause is over, or never. */
  deliver(task: () => void): void {
    if (!this.#isAlive) return
    const waitMs = this.#pausedUntilMs - this.#world.monotonic()
    if (waitMs > 0) this.#world.after(waitMs, () => this.deliver(task))
    else task()
  }
}
