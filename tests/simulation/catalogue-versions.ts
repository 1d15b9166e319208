import { ledgerOfPartition } from '../../src/state/routing.js'
import type { State } from '../../src/state/views/state.js'

/** Every version that the topics of a cluster with several ledgers have had, as the home ledger came to them. */
export class CatalogueVersions {
  readonly #ledgers: number
  readonly #versions = new Map<number, string>([[0, '']])

  constructor(ledgers: number) {
    this.#ledgers = ledgers
  }

  /** The home ledger has changed a topic. */
  note(home: State): void {
    this.#versions.set(home.topics.version, textOf(home))
  }

  /** What is wrong with the topics that a ledger holds; undefined if they are one of the versions, and what follows of it. */
  problemOf(state: State, ledger?: number): string | undefined {
    const expected = this.#versions.get(state.topics.version)
    if (expected === undefined) return `there was no version ${state.topics.version}`
    const found = textOf(state)
    if (found !== expected) return `it holds ${found}, not ${expected}`
    if (ledger === undefined) return undefined
    for (const { id, name, partitionCount } of state.topics.all())
      for (let partition = 0; partition < partitionCount; partition++) {
        const isOwn = ledgerOfPartition(id, partition, this.#ledgers) === ledger
        if (isOwn !== (state.partitions.get(id, partition) !== undefined))
          return `it has ${name}-${partition}: ${!isOwn}`
      }
    return undefined
  }
}

function textOf({ topics }: State): string {
  return [...topics.all()]
    .map(({ id, name, partitionCount }) => `${name} ${id} ${partitionCount}`)
    .sort((a, b) => (a < b ? -1 : 1))
    .join(', ')
}
