import type { Socket } from 'node:net'
import type { PendingAnswers } from './pending-answers.js'

/** Answers of one tick to one client are made one piece if they have fewer bytes than this: cheaper than to send several. */
const joinedBytesMax = 16 * 1024

/** Those who were given answers since the last tick; what each of them has is sent at its end, by one system call. */
let dueWriters: AnswerWriter[] = []

function sendAll(): void {
  const writers = dueWriters
  dueWriters = []
  for (const writer of writers) writer.send()
}

/** Writes answers to one socket, and keeps count of those its client has yet to read. */
export class AnswerWriter {
  readonly #socket: Socket
  readonly #pendingAnswers: PendingAnswers
  readonly #pendingBytesMax: number
  /** What was written in this tick. */
  #chunks: Buffer[] = []
  #chunkBytes = 0
  #whenSent: (() => void)[] = []
  #isEnding = false
  #pendingBytes = 0

  constructor(socket: Socket, pendingAnswers: PendingAnswers, pendingBytesMax: number) {
    this.#socket = socket
    this.#pendingAnswers = pendingAnswers
    this.#pendingBytesMax = pendingBytesMax
  }

  /** Whether so little waits for the client that there may be more. */
  get hasRoom(): boolean {
    return this.#socket.writableLength + this.#chunkBytes < this.#pendingBytesMax
  }

  /**
   * Writes a frame; all that is written in one go is sent by one system call. `onSent` is called once the system has
   * it, or the socket is gone.
   */
  write(chunks: readonly Buffer[], onSent?: () => void): void {
    if (!this.#socket.writable) {
      onSent?.()
      return
    }
    if (this.#chunks.length === 0) {
      if (dueWriters.length === 0) process.nextTick(sendAll)
      dueWriters.push(this)
    }
    for (const chunk of chunks) {
      this.#chunks.push(chunk)
      this.#chunkBytes += chunk.length
    }
    if (onSent !== undefined) this.#whenSent.push(onSent)
  }

  /** Hands over what was written; at the end of the tick it comes by itself. */
  send(): void {
    const chunks = this.#chunks
    if (chunks.length === 0) return
    const bytes = this.#chunkBytes
    const whenSent = this.#whenSent
    this.#chunks = []
    this.#chunkBytes = 0
    if (whenSent.length > 0) this.#whenSent = []
    const socket = this.#socket
    const onSent =
      whenSent.length === 0
        ? undefined
        : () => {
            for (const done of whenSent) done()
          }
    // It may have gone since.
    if (!socket.writable) {
      onSent?.()
      this.count()
      return
    }
    if (chunks.length === 1) socket.write(chunks[0] as Buffer, onSent)
    else if (bytes <= joinedBytesMax) socket.write(Buffer.concat(chunks, bytes), onSent)
    else {
      socket.cork()
      const last = chunks.pop() as Buffer
      for (const chunk of chunks) socket.write(chunk)
      socket.write(last, onSent)
      socket.uncork()
    }
    this.count()
  }

  /** Closes our side of the socket once all that is written has been handed over, and says so. */
  end(onEnded: () => void): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.send()
    this.#socket.end(onEnded)
  }

  /** Brings the count of what waits up to date; of a socket that is gone nothing does. */
  count(): void {
    const bytes = this.#socket.destroyed ? 0 : this.#socket.writableLength + this.#chunkBytes
    if (bytes === this.#pendingBytes) return
    this.#pendingAnswers.add(bytes - this.#pendingBytes)
    this.#pendingBytes = bytes
  }
}
