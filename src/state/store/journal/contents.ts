import type { BodyPlace } from './bodies.js'

/** Where an object's bytes are. */
export interface Place {
  /** Where its record begins. */
  position: number
  /** Bytes of the object. */
  length: number
  /** Where they are, unless they are in the record. */
  body?: BodyPlace | undefined
}

/** The objects of one file of a journal, by their numbers. */
export class Contents {
  #numbers = new Float64Array(16)
  #positions = new Uint32Array(16)
  #lengths = new Uint32Array(16)
  /** Those whose bytes are elsewhere. */
  readonly #bodies = new Map<number, BodyPlace>()
  count = 0
  /** Bytes of all objects. */
  bytes = 0

  /** Numbers come in about their order. */
  add(number: number, { position, length, body }: Place): void {
    if (this.count === this.#numbers.length) this.#grow()
    let at = this.count
    while (at > 0 && (this.#numbers[at - 1] as number) > number) at--
    this.#move(at, at + 1)
    this.#numbers[at] = number
    this.#positions[at] = position
    this.#lengths[at] = length
    if (body !== undefined) this.#bodies.set(number, body)
    this.count++
    this.bytes += length
  }

  remove(number: number): void {
    const at = this.#indexOf(number)
    if (this.#numbers[at] !== number || at >= this.count) return
    this.bytes -= this.#lengths[at] as number
    this.#bodies.delete(number)
    this.#move(at + 1, at)
    this.count--
  }

  find(number: number): Place | undefined {
    const at = this.#indexOf(number)
    return at < this.count && this.#numbers[at] === number ? this.#placeAt(at) : undefined
  }

  /** The first object whose number is at least `number`. */
  from(number: number): ({ number: number } & Place) | undefined {
    const at = this.#indexOf(number)
    return at < this.count ? { number: this.#numbers[at] as number, ...this.#placeAt(at) } : undefined
  }

  #placeAt(at: number): Place {
    const body = this.#bodies.size > 0 ? this.#bodies.get(this.#numbers[at] as number) : undefined
    return { position: this.#positions[at] as number, length: this.#lengths[at] as number, body }
  }

  /** The index of the first number that is not smaller. */
  #indexOf(number: number): number {
    let low = 0
    let high = this.count
    // Who follows asks for the last one.
    if (high > 0 && (this.#numbers[high - 1] as number) <= number)
      return this.#numbers[high - 1] === number ? high - 1 : high
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#numbers[middle] as number) < number) low = middle + 1
      else high = middle
    }
    return low
  }

  #move(from: number, to: number): void {
    if (from === this.count) return
    this.#numbers.copyWithin(to, from, this.count)
    this.#positions.copyWithin(to, from, this.count)
    this.#lengths.copyWithin(to, from, this.count)
  }

  #grow(): void {
    const size = this.#numbers.length * 2
    const [numbers, positions, lengths] = [this.#numbers, this.#positions, this.#lengths]
    this.#numbers = new Float64Array(size)
    this.#numbers.set(numbers)
    this.#positions = new Uint32Array(size)
    this.#positions.set(positions)
    this.#lengths = new Uint32Array(size)
    this.#lengths.set(lengths)
  }
}
