/** Bounds what is under way: takers wait, in order, until there is room. */
export interface Budget {
  /**
   * Takes one record of so many bytes. One alone is let in whatever its size.
   * Rejects with the signal's reason when `signal` is aborted first.
   */
  take(bytes: number, signal: AbortSignal): Promise<void> | undefined
  release(bytes: number): void
}

/** @param full called when somebody has to wait */
export function createBudget(recordsMax: number, bytesMax: number, full: () => void): Budget {
  let records = 0
  let bytes = 0
  const waiting: { size: number; enter: () => void }[] = []

  const hasRoom = (size: number) => records === 0 || (records < recordsMax && bytes + size <= bytesMax)
  const enter = (size: number) => {
    records++
    bytes += size
  }

  return {
    take(size, signal) {
      if (waiting.length === 0 && hasRoom(size)) {
        enter(size)
        return undefined
      }
      const entered = new Promise<void>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const abort = () => {
          waiting.splice(waiting.indexOf(turn), 1)
          reject(signal.reason)
        }
        const turn = {
          size,
          enter() {
            signal.removeEventListener('abort', abort)
            enter(size)
            resolve()
          },
        }
        signal.addEventListener('abort', abort)
        waiting.push(turn)
      })
      full()
      return entered
    },
    release(size) {
      records--
      bytes -= size
      while (waiting[0] !== undefined && hasRoom(waiting[0].size)) waiting.shift()?.enter()
    },
  }
}
