import type { Ordered } from '../../base/use-order.js'
import type { ObjectRef } from '../views/view.js'

/** The blocks of one object, by their positions: mostly it is one, for which a map would cost more than the rest. */
export class BlocksOfObject implements ObjectRef {
  readonly writer: number
  readonly number: number
  readonly key: string
  #first: Block | undefined = undefined
  #others: Map<number, Block> | undefined = undefined

  constructor({ writer, number }: ObjectRef, key: string) {
    this.writer = writer
    this.number = number
    this.key = key
  }

  get isEmpty(): boolean {
    return this.#first === undefined && (this.#others === undefined || this.#others.size === 0)
  }

  at(position: number): Block | undefined {
    return this.#first?.position === position ? this.#first : this.#others?.get(position)
  }

  /** Adds a block; there is none at its position, or it takes its place. */
  add(block: Block): void {
    const { position } = block
    if (
      this.#first?.position === position ||
      (this.#first === undefined && this.#others?.get(position) === undefined)
    ) {
      this.#first = block
      return
    }
    this.#others ??= new Map()
    this.#others.set(position, block)
  }

  /** Removes a block, if it is still the one at its position; whether it was. */
  remove(block: Block): boolean {
    if (this.#first === block) this.#first = undefined
    else if (this.#others?.get(block.position) === block) this.#others.delete(block.position)
    else return false
    return true
  }
}

/** What one request brought: a block, or several side by side. */
interface Memory {
  /** Blocks that are kept, or used. */
  blocks: number
  /** Called once none of them is. */
  release(): void
}

const nothing = Buffer.alloc(0)

/** A piece of a stored object, here or being read. */
export class Block implements Ordered<Block> {
  older: Block | undefined = undefined
  newer: Block | undefined = undefined
  readonly object: BlocksOfObject
  readonly position: number
  /** The object may end before. */
  readonly length: number
  /** Once they are here. */
  bytes: Buffer = nothing
  isHere = false
  isKept = false
  /** The store wants its bytes back. */
  isLent = false
  /** Bytes it takes: a guess until they are here. */
  size = 0
  /** Bytes of ranges that readers took of it. */
  usedBytes = 0
  /** Readers that wait for it. */
  readers = 0
  /** Readers that have not released it. */
  users = 0
  /** Resolves once it is here, if it had to be waited for. */
  arrival: Promise<void> | undefined = undefined
  #settle: { resolve(): void; reject(error: unknown): void } | undefined = undefined
  /** What it is a part of, once it is here. */
  #memory: Memory | undefined = undefined

  constructor(object: BlocksOfObject, position: number, length: number) {
    this.object = object
    this.position = position
    this.length = length
  }

  /** It is going to be read. */
  await(): void {
    this.arrival = new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever still wants it hears of it.
    this.arrival.catch(() => undefined)
  }

  arrived(bytes: Buffer, memory: Memory): void {
    this.bytes = bytes
    this.size = bytes.length
    this.#memory = memory
    this.isHere = true
    this.#settle?.resolve()
    this.#settle = undefined
  }

  failed(error: unknown): void {
    this.#settle?.reject(error)
    this.#settle = undefined
  }

  /** It is no longer kept. */
  evicted(): void {
    this.isKept = false
    this.#reuse()
  }

  /** One reader does not use it any more. To be called at most once by each; without it, its memory is left to the garbage collector. */
  release(): void {
    this.users--
    this.#reuse()
  }

  /** Has its memory used again if it is neither kept nor used, and its neighbours aren't either. */
  #reuse(): void {
    const memory = this.#memory
    if (memory === undefined || this.isKept || this.users > 0) return
    this.#memory = undefined
    memory.blocks--
    if (memory.blocks === 0) memory.release()
  }
}
