/** Smaller buffers cost the allocator and the garbage collector little; they are not kept, bytes. */
const keptBytesMin = 1024

/**
 * Large buffers that are used again, rather than left to the garbage collector: each megabyte that lies outside of
 * the heap and becomes garbage brings the next full collection nearer (at 1 GB/s that is ten a second), and memory that is
 * fresh from the system must first be mapped, page by page.
 *
 * A buffer is given back by whoever knows that nobody uses it any more. To forget it costs time only: the pool does not
 * remember what it has lent. So whoever is in doubt doesn't give it back.
 */
export class BufferPool {
  readonly #idleBytesMax: number
  /** By size: what has been given back. A size that was not used for longest stands first. */
  readonly #idle = new Map<number, ArrayBuffer[]>()
  readonly #lent = new WeakSet<ArrayBufferLike>()
  /** Bytes that wait to be used again. */
  idleBytes = 0

  /** @param idleBytesMax bytes that may wait to be used again. */
  constructor(idleBytesMax: number) {
    this.#idleBytesMax = idleBytesMax
  }

  /** A buffer of `length` bytes with any content. */
  readonly take = (length: number): Buffer => {
    if (length < keptBytesMin) return Buffer.allocUnsafeSlow(length)
    const size = roundedUp(length)
    const idle = this.#pop(size) ?? this.#pop(roundedUp(size + 1))
    if (idle !== undefined) return Buffer.from(idle, 0, length)
    const buffer = Buffer.allocUnsafeSlow(size)
    this.#lent.add(buffer.buffer)
    return buffer.subarray(0, length)
  }

  /** Takes back what `take` gave, or a view of it; anything else, and what has been given back already, is none of its. */
  give(bytes: Buffer): void {
    const memory = bytes.buffer
    if (!(memory instanceof ArrayBuffer) || !this.#lent.delete(memory)) return
    const size = memory.byteLength
    const idle = this.#idle.get(size)
    if (idle === undefined) this.#idle.set(size, [memory])
    else {
      idle.push(memory)
      this.#idle.delete(size)
      this.#idle.set(size, idle)
    }
    this.idleBytes += size
    this.#forget()
  }

  #pop(size: number): ArrayBuffer | undefined {
    const memory = this.#idle.get(size)?.pop()
    if (memory === undefined) return undefined
    this.idleBytes -= size
    this.#lent.add(memory)
    return memory
  }

  #forget(): void {
    for (const [size, idle] of this.#idle) {
      while (this.idleBytes > this.#idleBytesMax && idle.pop() !== undefined) this.idleBytes -= size
      if (idle.length === 0) this.#idle.delete(size)
      if (this.idleBytes <= this.#idleBytesMax) return
    }
  }
}

/** The next power of two, or three quarters of it: so few sizes that one that is asked for is often there. */
function roundedUp(length: number): number {
  const power = 2 ** Math.ceil(Math.log2(length))
  return length <= (power / 4) * 3 ? (power / 4) * 3 : power
}
