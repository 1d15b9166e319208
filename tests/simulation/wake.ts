import type { Clock } from '../../src/base/clock.js'

/** What a client waits on between two looks at its work. */
export class Wake {
  readonly #clock: Clock
  #wake: () => void = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(ms, resolve)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
  }

  now(): void {
    this.#wake()
  }
}
