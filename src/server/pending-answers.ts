import { limits } from '../base/limits.js'

/** However many clients are slow, a fetch is given this much. */
const answerBytesMin = 64 * 1024

/**
 * Bytes of answers that wait for their clients to read them, over all connections. The more wait, the less a fetch
 * gathers, so that many slow readers don't fill the memory.
 */
export class PendingAnswers {
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** @param change bytes; negative when they were sent. */
  add(change: number): void {
    this.#bytes += change
  }

  /** How many bytes an answer should have at most. */
  get answerBytesMax(): number {
    const rest = limits.responseBytesPendingTotalMax - this.#bytes
    return Math.min(limits.fetchResponseBytesMax, Math.max(answerBytesMin, Math.floor(rest / 4)))
  }
}
