import { CorruptObjectError } from '../../base/errors.js'
import type { ByteRange, ObjectStore } from '../store/object-store.js'

/**
 * Bytes of stored objects, kept as they were read, so that a reader that goes on, and others after it, find what the
 * last read brought. Where a request is paid for, objects are read in large aligned blocks, whatever is asked for;
 * elsewhere just what is asked for. Readers that want what is just being read share that read. Least recently used
 * blocks go.
 */
export class Blocks {
  readonly #store: ObjectStore
  readonly #alignment: number | undefined
  readonly #bytesMax: number
  /** In the order of their last use. */
  readonly #blocks = new Map<string, Buffer>()
  readonly #reads = new Map<string, Promise<Buffer>>()
  /** Bytes kept now. */
  bytes = 0

  constructor(options: { store: ObjectStore; alignment: number | undefined; bytesMax: number }) {
    this.#store = options.store
    this.#alignment = options.alignment
    this.#bytesMax = options.bytesMax
  }

  /**
   * Reads a range of an object in one piece.
   * @throws StoreError if the store fails.
   * @throws CorruptObjectError if the object is missing or ends before the range does.
   */
  async read(key: string, position: number, length: number): Promise<Buffer> {
    const wanted = this.#blocksOf(position, length)
    const blocks = await Promise.all(wanted.map((block) => this.#block(key, block)))
    const start = position - (wanted[0]?.position ?? 0)
    const [only] = blocks
    const whole = blocks.length === 1 && only !== undefined ? only : Buffer.concat(blocks)
    if (whole.length < start + length)
      throw new CorruptObjectError(`${key} ends before byte ${position + length}, where record batches are to be`)
    return whole.subarray(start, start + length)
  }

  /** Whether a read of that range would need no I/O. */
  has(key: string, position: number, length: number): boolean {
    return this.#blocksOf(position, length).every((block) => this.#blocks.has(nameOf(key, block)))
  }

  #blocksOf(position: number, length: number): ByteRange[] {
    const size = this.#alignment
    if (size === undefined) return [{ position, length }]
    const blocks: ByteRange[] = []
    for (let at = position - (position % size); at < position + length; at += size)
      blocks.push({ position: at, length: size })
    return blocks
  }

  #block(key: string, block: ByteRange): Promise<Buffer> {
    const name = nameOf(key, block)
    const kept = this.#blocks.get(name)
    if (kept !== undefined) {
      this.#blocks.delete(name)
      this.#blocks.set(name, kept)
      return Promise.resolve(kept)
    }
    const underWay = this.#reads.get(name)
    if (underWay !== undefined) return underWay
    const read = this.#readBlock(key, name, block).finally(() => this.#reads.delete(name))
    this.#reads.set(name, read)
    return read
  }

  async #readBlock(key: string, name: string, block: ByteRange): Promise<Buffer> {
    const object = await this.#store.get(key, block)
    if (object === undefined) {
      throw new CorruptObjectError(`${key} is missing, though the ledger refers to it`, { isMissing: true })
    }
    this.#blocks.set(name, object.bytes)
    this.bytes += object.bytes.length
    for (const [oldest, bytes] of this.#blocks) {
      if (this.bytes <= this.#bytesMax) break
      this.#blocks.delete(oldest)
      this.bytes -= bytes.length
    }
    return object.bytes
  }
}

const nameOf = (key: string, { position, length }: ByteRange) => `${key}#${position}+${length}`
