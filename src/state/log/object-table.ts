import type { ObjectRef } from '../views/view.js'

/** Something of each of some objects, found by the object's two numbers: a key made of them would be a string for every look. */
export class ObjectTable<Item> {
  readonly #byWriter = new Map<number, Map<number, Item>>()
  size = 0

  get(writer: number, number: number): Item | undefined {
    return this.#byWriter.get(writer)?.get(number)
  }

  set({ writer, number }: ObjectRef, item: Item): void {
    let ofWriter = this.#byWriter.get(writer)
    if (ofWriter === undefined) {
      ofWriter = new Map()
      this.#byWriter.set(writer, ofWriter)
    }
    if (!ofWriter.has(number)) this.size++
    ofWriter.set(number, item)
  }

  delete({ writer, number }: ObjectRef): void {
    const ofWriter = this.#byWriter.get(writer)
    if (!ofWriter?.delete(number)) return
    this.size--
    if (ofWriter.size === 0) this.#byWriter.delete(writer)
  }
}
