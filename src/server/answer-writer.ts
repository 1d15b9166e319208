import type { Socket } from 'node:net'
import type { PendingAnswers } from './pending-answers.js'

/** Writes answers to one socket, and keeps count of those its client has yet to read. */
export class AnswerWriter {
  readonly #socket: Socket
  readonly #pendingAnswers: PendingAnswers
  readonly #pendingBytesMax: number
  #isCorked = false
  #isEnding = false
  #pendingBytes = 0

  constructor(socket: Socket, pendingAnswers: PendingAnswers, pendingBytesMax: number) {
    this.#socket = socket
    this.#pendingAnswers = pendingAnswers
    this.#pendingBytesMax = pendingBytesMax
  }

  /** Whether so little waits for the client that there may be more. */
  get hasRoom(): boolean {
    return this.#socket.writableLength < this.#pendingBytesMax
  }

  /**
   * Writes a frame; all that is written in one go is sent by one system call. `onSent` is called once the system has
   * it, or the socket is gone.
   */
  write(chunks: readonly Buffer[], onSent?: () => void): void {
    if (!this.#socket.writable) return
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#isCorked = false
        this.#socket.uncork()
        this.count()
      })
    }
    const last = chunks.length - 1
    for (const [index, chunk] of chunks.entries()) {
      if (index === last && onSent !== undefined) this.#socket.write(chunk, onSent)
      else this.#socket.write(chunk)
    }
  }

  /** Closes our side of the socket once all that is written has been handed over, and says so. */
  end(onEnded: () => void): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#socket.end(onEnded)
  }

  /** Brings the count of what waits up to date; of a socket that is gone nothing does. */
  count(): void {
    const bytes = this.#socket.destroyed ? 0 : this.#socket.writableLength
    if (bytes === this.#pendingBytes) return
    this.#pendingAnswers.add(bytes - this.#pendingBytes)
    this.#pendingBytes = bytes
  }
}
