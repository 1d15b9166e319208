import type { ObjectRef } from '../views/view.js'

/** The oldest go together, as this share of all that is remembered. */
const groupShare = 1 / 32

/** Objects that were ordered one after another, and go together. */
interface Group {
  bytes: number
  /** Of each writer the highest number of an object of its. */
  last: Map<number, number>
}

/**
 * Which objects hold the records that were ordered last, about so many bytes of them, whoever wrote them: who reads there
 * reads at the tail, together with others, and is to be served at once. Everybody else is catching up.
 *
 * The objects of one writer, and the entries of the ledger, are ordered as they are numbered. So of each it is enough to know
 * from which number to which: there may be hundreds of thousands of small ones.
 */
export class RecentObjects {
  readonly #bytesMax: number
  /** The oldest first. The newest one stays, however large. */
  readonly #groups: Group[] = []
  readonly #numbers = new Map<number, { from: number; last: number }>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Records of that object were ordered. */
  add({ writer, number }: ObjectRef, bytes: number): void {
    if (bytes === 0) return
    let group = this.#groups.at(-1)
    if (group === undefined || group.bytes >= this.#bytesMax * groupShare) {
      group = { bytes: 0, last: new Map() }
      this.#groups.push(group)
    }
    group.bytes += bytes
    this.#bytes += bytes
    group.last.set(writer, number)
    const numbers = this.#numbers.get(writer)
    if (numbers === undefined) this.#numbers.set(writer, { from: number, last: number })
    else numbers.last = number
    while (this.#bytes > this.#bytesMax && this.#groups.length > 1) this.#forget(this.#groups.shift() as Group)
  }

  has({ writer, number }: ObjectRef): boolean {
    const numbers = this.#numbers.get(writer)
    return numbers !== undefined && number >= numbers.from && number <= numbers.last
  }

  #forget({ bytes, last }: Group): void {
    this.#bytes -= bytes
    for (const [writer, number] of last) {
      const numbers = this.#numbers.get(writer)
      if (numbers === undefined) continue
      numbers.from = number + 1
      if (numbers.from > numbers.last) this.#numbers.delete(writer)
    }
  }
}
