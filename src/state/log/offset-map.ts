import { createHash } from 'node:crypto'

/** Bytes that an entry takes: the digest of its key, its offset. */
const digestWords = 4
const entryBytes = digestWords * 4 + 8
/** Longer keys are hashed; shorter ones are their own digest: zeros, and their length in the last byte. */
const plainKeyBytesMax = 15
const isHashed = 0xff
/** Of all places at most so many are taken, so that a free one is near. */
const loadFactor = 0.75
const slotsMin = 16

/**
 * The last offset of each key, in bounded memory (Kafka's `log.cleaner.dedupe.buffer.size`): an open hash table of
 * digests of 16 bytes, for which two keys that differ are taken to differ (the longer ones by SHA-256).
 */
export class OffsetMap {
  readonly #slots: number
  readonly #digests: Uint32Array
  /** -1: the place is free. */
  readonly #offsets: Float64Array
  readonly #keysMax: number
  readonly #digest = new Uint32Array(digestWords)
  readonly #digestBytes = Buffer.from(this.#digest.buffer)
  size = 0

  /** @param keys how many there are at most, if that is known; no more memory is taken than they need */
  constructor(bytesMax: number, keys = Number.POSITIVE_INFINITY) {
    const wanted = Math.ceil((keys + 1) / loadFactor)
    this.#slots = Math.max(Math.min(Math.floor(bytesMax / entryBytes), wanted), slotsMin)
    this.#keysMax = Math.floor(this.#slots * loadFactor)
    this.#digests = new Uint32Array(this.#slots * digestWords)
    this.#offsets = new Float64Array(this.#slots).fill(-1)
  }

  /** Notes that a key is at an offset, which is larger than those before. False if there is no room for another key. */
  put(key: Buffer, offset: number): boolean {
    const slot = this.#find(key)
    if (this.#offsets[slot] === -1) {
      if (this.size >= this.#keysMax) return false
      this.size++
      this.#digests.set(this.#digest, slot * digestWords)
    }
    this.#offsets[slot] = offset
    return true
  }

  /** The last offset of a key; -1 for one that is not here. */
  get(key: Buffer): number {
    return this.#offsets[this.#find(key)] as number
  }

  /** The place where the key is, or would be; its digest is in `#digest` then. */
  #find(key: Buffer): number {
    this.#digestBytes.fill(0)
    if (key.length <= plainKeyBytesMax) {
      key.copy(this.#digestBytes)
      this.#digestBytes[plainKeyBytesMax] = key.length
    } else {
      createHash('sha256').update(key).digest().copy(this.#digestBytes, 0, 0, plainKeyBytesMax)
      this.#digestBytes[plainKeyBytesMax] = isHashed
    }
    const [a, b, c, d] = this.#digest as unknown as [number, number, number, number]
    let slot = mixed(mixed(mixed(mixed(a) ^ b) ^ c) ^ d) % this.#slots
    const digests = this.#digests
    while (this.#offsets[slot] !== -1) {
      const at = slot * digestWords
      if (digests[at] === a && digests[at + 1] === b && digests[at + 2] === c && digests[at + 3] === d) break
      if (++slot === this.#slots) slot = 0
    }
    return slot
  }
}

/** MurmurHash3's last step: every bit of the result depends on every bit of the number. */
function mixed(number: number): number {
  let hash = number
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
