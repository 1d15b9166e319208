import { type Ordered, UseOrder } from './use-order.js'

/** Smaller buffers cost the allocator and the garbage collector little; they are not kept, bytes. */
const keptBytesMin = 1024

/** Whose it is while it is lent; it stands on the memory itself: a set of all that is lent costs as much as the rest. */
const lentBy = Symbol('lentBy')
type Memory = ArrayBuffer & { [lentBy]?: BufferPool | undefined }

/** What has been given back of one size. */
interface Idle extends Ordered<Idle> {
  readonly size: number
  readonly memories: Memory[]
}

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
  /** By size: what has been given back; and which size was used longest ago. */
  readonly #idle = new Map<number, Idle>()
  readonly #order = new UseOrder<Idle>()
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
    ;(buffer.buffer as Memory)[lentBy] = this
    return buffer.subarray(0, length)
  }

  /** Takes back what `take` gave, or a view of it; anything else, and what has been given back already, is none of its. */
  give(bytes: Buffer): void {
    const memory = bytes.buffer as Memory
    if (memory[lentBy] !== this) return
    memory[lentBy] = undefined
    const size = memory.byteLength
    let idle = this.#idle.get(size)
    if (idle === undefined) {
      idle = { size, memories: [], older: undefined, newer: undefined }
      this.#idle.set(size, idle)
      this.#order.add(idle)
    } else this.#order.used(idle)
    idle.memories.push(memory)
    this.idleBytes += size
    while (this.idleBytes > this.#idleBytesMax) this.#forget()
  }

  #pop(size: number): ArrayBuffer | undefined {
    const memory = this.#idle.get(size)?.memories.pop()
    if (memory === undefined) return undefined
    this.idleBytes -= size
    memory[lentBy] = this
    return memory
  }

  /** Forgets memory of the size that was not used for longest. */
  #forget(): void {
    const { oldest } = this.#order
    if (oldest === undefined) return
    if (oldest.memories.pop() !== undefined) this.idleBytes -= oldest.size
    else {
      this.#order.remove(oldest)
      this.#idle.delete(oldest.size)
    }
  }
}

/** The next power of two, or three quarters of it: so few sizes that one that is asked for is often there. */
function roundedUp(length: number): number {
  const power = 2 * (1 << (31 - Math.clz32(length - 1)))
  return length <= (power / 4) * 3 ? (power / 4) * 3 : power
}
