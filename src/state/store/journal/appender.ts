import fs from 'node:fs'
import { StoreError } from '../../../base/errors.js'
import type { Random } from '../../../base/random.js'
import { writeOnce } from '../files.js'
import { Gate } from '../gate.js'
import type { Pace } from '../pace.js'
import type { JournalFile, RecordEffect } from './journal-file.js'
import { encodeRecordHeader, payloadChecksum, type RecordHeader, type RecordKind, recordEnd } from './record.js'

/** One call takes so many pieces; more are put together before. */
const piecesMax = 512

/** A record of ours: whether all of it has been written, and what it did, once that is known. */
interface Own {
  isWritten: boolean
  effect: RecordEffect | undefined
}

export interface AppenderOptions {
  pace: Pace
  random: Random
  /** Whether nobody is told of a record before it has been flushed. */
  isDurable: boolean
  /** Reads the last file's records that have come meanwhile; `found` is to be told of each. */
  readOn(): void
}

/** Appends records to the files of a journal, and finds out what they did. */
export class Appender {
  readonly #options: AppenderOptions
  readonly #writerHigh: number
  readonly #writerLow: number
  readonly #own = new Map<number, Own>()
  #attempts = 0
  readonly #gate = new Gate(1)

  constructor(options: AppenderOptions) {
    this.#options = options
    this.#writerHigh = Number.parseInt(options.random.hex(4), 16)
    this.#writerLow = Number.parseInt(options.random.hex(4), 16)
  }

  /** Whether a record is ours and has been written in full. */
  isWritten(header: RecordHeader): boolean {
    return this.#ownOf(header)?.isWritten === true
  }

  /** A record was found, and this is what it did. Whether it is ours. */
  found(header: RecordHeader, effect: RecordEffect): boolean {
    const own = this.#ownOf(header)
    if (own !== undefined) own.effect = effect
    return own !== undefined
  }

  /**
   * Appends a record to a file; what it did, undefined if the file had ended before. Written by one call: whatever others
   * append stands before or behind.
   * @param onNotWritten called before it throws, if it is certain that there is no such record.
   * @throws StoreError, the system's error.
   */
  async append(
    file: JournalFile,
    kind: RecordKind,
    number: number,
    payload: readonly Uint8Array[],
    onNotWritten?: () => void,
  ): Promise<RecordEffect | undefined> {
    const { pace, isDurable } = this.#options
    const attempt = ++this.#attempts
    const payloadLength = payload.reduce((sum, piece) => sum + piece.length, 0)
    const header = encodeRecordHeader(file.mark, {
      kind,
      payloadLength,
      number,
      writerHigh: this.#writerHigh,
      writerLow: this.#writerLow,
      attempt,
      flushes: isDurable,
      flushedTo: Math.min(file.flushedTo, file.end),
      payloadChecksum: payloadChecksum(payload),
    })
    const pieces = [header, ...(payload.length < piecesMax ? payload : [Buffer.concat(payload)]), recordEnd]
    const own: Own = { isWritten: false, effect: undefined }
    this.#own.set(attempt, own)
    try {
      const written = pace.mayBlock()
        ? pace.block(() => file.descriptor.useNow((fd) => fs.writevSync(fd, pieces)))
        : await file.descriptor.use((fd) => this.#gate.pass(() => writeOnce(fd, pieces)))
      // It is not gone on with: somebody else's record may stand behind what was written of it.
      if (written < header.length + payloadLength + recordEnd.length)
        throw new StoreError(`only ${written} bytes could be appended`, { key: file.path, retry: true })
      own.isWritten = true
      this.#options.readOn()
      if (own.effect === undefined && !file.isEnded)
        throw new StoreError('a record that was appended can not be found', { key: file.path, retry: true })
      return own.effect
    } catch (error) {
      if (!own.isWritten) onNotWritten?.()
      throw error
    } finally {
      this.#own.delete(attempt)
    }
  }

  #ownOf({ writerHigh, writerLow, attempt }: RecordHeader): Own | undefined {
    return writerHigh === this.#writerHigh && writerLow === this.#writerLow ? this.#own.get(attempt) : undefined
  }
}
