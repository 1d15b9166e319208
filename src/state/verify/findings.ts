/** Something in the store is not as it was written. */
export interface Damage {
  /** The object; of state that contradicts itself the snapshot or entry it was read from, or nothing. */
  key?: string
  /** `missing`: it is not there; `corrupt`: its bytes are wrong; `contradiction`: each is sound, together they are not. */
  problem: 'missing' | 'corrupt' | 'contradiction'
  /** For people, one line, without the key. */
  message: string
  /** The records that can't be read because of it. */
  topic?: string
  partition?: number
  offset?: number
  /** One past the last of these records. */
  endOffset?: number
}

/** An object that nothing refers to, and nothing will. */
export interface Orphan {
  key: string
  bytes: number
  /** Since it was made, by the clock of who made it, milliseconds; undefined if that can't be told. */
  ageMs: number | undefined
  /** It is older than `ageMs`, by how much can't be told. */
  isOlder: boolean
  /** Whether a running instance deletes it by itself, sooner or later. */
  isCollected: boolean
  /** What it is, or was to become. */
  why: string
}

/** A list that keeps the first so many, and counts all. */
export class Listed<Item> {
  readonly items: Item[] = []
  count = 0
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  add(item: Item): void {
    this.count++
    if (this.items.length < this.#max) this.items.push(item)
  }
}

/** Most that is listed one by one; all is counted. */
const damagesMax = 1_000

/** The damage found so far. What is found twice is told once. */
export class Damages extends Listed<Damage> {
  constructor() {
    super(damagesMax)
  }

  /** Records of one partition that follow those of the last damage to the same object are told together with them. */
  override add(damage: Damage): void {
    const last = this.items.at(-1)
    const isSame = last !== undefined && last.key === damage.key && last.message === damage.message
    if (isSame && last.topic === damage.topic && last.partition === damage.partition) {
      if (last.offset === damage.offset) return
      if (last.endOffset !== undefined && last.endOffset === damage.offset && damage.endOffset !== undefined) {
        last.endOffset = damage.endOffset
        return
      }
    }
    super.add(damage)
  }
}
