import { OverloadedError } from '../../base/errors.js'

/** Bytes of record batches that wait to be stored, in all ledgers of a process together. */
export class WaitingBytes {
  bytes = 0
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  /** @throws OverloadedError if so many bytes, those of one request, can't wait as well. */
  assertRoomFor(bytes: number): void {
    if (this.bytes + bytes > this.#max)
      throw new OverloadedError(`${this.bytes} bytes of record batches already wait to be stored`)
  }
}
