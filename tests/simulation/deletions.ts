import {
  kindOfKey,
  lanesPrefix,
  numberOfKey,
  objectKey,
  snapshotsPrefix,
  writerOfLaneKey,
  writersPrefix,
} from '../../src/state/ledger/keys.js'
import type { State } from '../../src/state/views/state.js'
import type { Archive } from './archive.js'
import type { History } from './history.js'
import type { ReferenceFold } from './reference-fold.js'

/** Those that are kept, and what instances left that died between storing one and deleting the oldest. */
const snapshotsMax = 8

/** What was deleted from the store, and when: nothing that is referred to, and everything else in the end. */
export class Deletions {
  readonly #archive: Archive
  readonly #history: History
  readonly #ledger: number
  readonly #deleted = new Set<string>()
  #next = 0

  /** Looks at what is of one ledger. */
  constructor(archive: Archive, history: History, ledger: number) {
    this.#ledger = ledger
    this.#archive = archive
    this.#history = history
  }

  isDeleted(key: string): boolean {
    return this.#deleted.has(key)
  }

  /** Judges what was deleted when the ledger ended where the fold stands now. */
  upTo({ state, sequence }: ReferenceFold): void {
    const { removals } = this.#archive
    let references: ReadonlySet<string> | undefined
    for (; ; this.#next++) {
      const removal = removals[this.#next]
      if (removal === undefined) return
      if (removal.ledger !== this.#ledger) continue
      if (removal.tail > sequence) return
      references ??= referencesOf(state, this.#ledger)
      this.#deleted.add(removal.key)
      if (references.has(removal.key))
        this.#history.violation('missing object', `${removal.key} was deleted at entry ${sequence}, which refers to it`)
    }
  }

  /**
   * Nothing that is of no use stays: it was so when the quiet began, and there was time enough.
   * @param living the writers that are there
   */
  checkGarbage(state: State, quietSinceMs: number, living: ReadonlySet<number>): void {
    const { objects, storedAtMs, removals } = this.#archive
    const ledger = this.#ledger
    const references = referencesOf(state, ledger)
    const snapshots = this.#archive.sortedKeys().filter((key) => key.startsWith(snapshotsPrefix(ledger)))
    if (snapshots.length > snapshotsMax) this.#history.violation('garbage', `there are ${snapshots.length} snapshots`)
    const covered = numberOfKey(snapshots.find((key) => (storedAtMs.get(key) ?? 0) < quietSinceMs) ?? '0')
    const garbage: string[] = []
    for (const key of objects.keys()) {
      if ((storedAtMs.get(key) ?? 0) >= quietSinceMs || references.has(key)) continue
      const kind = kindOfKey(key, this.#archive.tails.length)
      if (kind?.ledger !== ledger) continue
      const isEntry = kind.kind === 'entry' && kind.number <= covered
      if (isEntry || kind.kind === 'lane' || kind.kind === 'segment') garbage.push(key)
    }
    const claims = this.#archive.sortedKeys().filter((key) => key.startsWith(writersPrefix(ledger)))
    const gone = claims.filter((key) => (storedAtMs.get(key) ?? 0) < quietSinceMs && !living.has(numberOfKey(key)))
    const { writers } = state
    // Who claimed a number and never wrote is forgotten with the next higher one. The highest claim stays.
    for (const key of gone) {
      const writer = numberOfKey(key)
      const isKnown = [...writers.all()].includes(writer)
      if (isKnown || (writer < writers.newFrom && key !== claims.at(-1))) garbage.push(key)
    }
    if (garbage.length === 0) return
    const [first = ''] = garbage
    const writer = writerOfLaneKey(first)
    const why = first.startsWith(lanesPrefix(ledger)) ? `, its writer came to ${state.writers.lastIndex(writer)}` : ''
    const where = `snapshots from ${covered}, ${removals.length} were deleted`
    this.#history.violation('garbage', `${garbage.length} objects that nothing refers to, as ${first}${why}; ${where}`)
  }
}

/** The keys of all objects that hold records of a partition. */
function referencesOf(state: State, ledger: number): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const topic of state.topics.all())
    for (const { topicId, partition, ranges } of state.partitions.ofTopic(topic.id))
      for (let i = 0; i < ranges.length; i++) {
        const ref = { writer: ranges.writerAt(i), number: ranges.numberAt(i) }
        keys.add(objectKey(ledger, topicId, partition, ref))
      }
  return keys
}
