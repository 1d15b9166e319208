import type { ObjectRef } from '../views/view.js'

/**
 * Which objects hold the records that were ordered last, so many bytes of them, whoever wrote them: who reads there
 * reads at the tail, together with others, and is to be served at once. Everybody else is catching up.
 */
export class RecentObjects {
  readonly #bytesMax: number
  /** Bytes of records by object, the oldest first. */
  readonly #objects = new Map<string, number>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Records of that object were ordered. */
  add(object: ObjectRef, bytes: number): void {
    if (bytes === 0) return
    const key = keyOf(object)
    this.#objects.set(key, (this.#objects.get(key) ?? 0) + bytes)
    this.#bytes += bytes
    for (const [oldest, length] of this.#objects) {
      // The newest one stays, however large.
      if (this.#bytes <= this.#bytesMax || this.#objects.size === 1) return
      this.#objects.delete(oldest)
      this.#bytes -= length
    }
  }

  has(object: ObjectRef): boolean {
    return this.#objects.has(keyOf(object))
  }
}

const keyOf = ({ writer, number }: ObjectRef) => `${writer}/${number}`
