import type { Clock, Timer } from '../../src/base/clock.js'
import type { VirtualClock } from './virtual-clock.js'

/**
 * What the clocks of a process do while it is paused: go on; or the monotonic one stands still, as when a machine
 * sleeps; or the wall clock is set back by as much.
 */
export type PauseKind = 'stopped' | 'asleep' | 'set back'

/**
 * One simulated process: its clock, and a gate through which all that reaches it from outside passes. A crashed
 * process hears nothing any more; a paused one hears everything later, in the order in which it came.
 */
export class SimulatedProcess {
  readonly clock: Clock
  readonly #world: VirtualClock
  #isAlive = true
  /** When its last pause ends, or ended. */
  pausedUntilMs = 0
  #skewMs: number
  #sleptMs = 0
  /** Its wall clock has been set back. */
  hasBeenSetBack = false
  /** What has come during a pause and has not run yet. */
  readonly #deferred: (() => void)[] = []

  /** `skewMs`: how far the process's wall clock is ahead of the world's. */
  constructor(world: VirtualClock, skewMs = 0) {
    this.#world = world
    this.#skewMs = skewMs
    this.clock = {
      now: () => world.now() + this.#skewMs,
      monotonic: () => world.monotonic() - this.#sleptMs,
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
    return this.pausedUntilMs > this.#world.monotonic()
  }

  crash(): void {
    this.#isAlive = false
  }

  pause(ms: number, kind: PauseKind = 'stopped'): void {
    const now = this.#world.monotonic()
    const addedMs = now + ms - Math.max(this.pausedUntilMs, now)
    if (addedMs <= 0) return
    this.pausedUntilMs = now + ms
    // Nothing in it looks at a clock until it wakes.
    if (kind === 'asleep') this.#sleptMs += addedMs
    if (kind === 'set back') this.#skewMs -= Math.ceil(addedMs)
    if (kind === 'set back') this.hasBeenSetBack = true
  }

  /** Runs `task` in the process: now, when its pause is over and what came before has run, or never. */
  deliver(task: () => void): void {
    if (!this.#isAlive) return
    if (!this.isPaused && this.#deferred.length === 0) {
      task()
      return
    }
    if (this.#deferred.push(task) === 1) this.#wakeAfterPause()
  }

  /** One after the other, so that between two of them every promise that can settle does. */
  #wakeAfterPause(): void {
    this.#world.after(this.pausedUntilMs - this.#world.monotonic(), () => {
      if (!this.#isAlive) return
      if (!this.isPaused) {
        const [task] = this.#deferred
        task?.()
        this.#deferred.shift()
      }
      if (this.#deferred.length > 0) this.#wakeAfterPause()
    })
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
