import { homeLedger, ledgerOfPartition } from '../routing.js'
import type { State } from '../views/state.js'

/**
 * Several ledgers, each as it was at a moment of its own, may hold together what never was: one knows of something that
 * another one lacks, and so is to go on.
 * - The home ledger has every version of the topics first.
 * - A group has read what it says that it has read; unless it commits offsets that there are not, as it may.
 */
export class Moment {
  /** What a ledger lacked when it was last asked to go on: lacks it that still, then it was never there. */
  #lacks = new Set<string>()

  /**
   * Who has to go on, and until when; nobody, if these states go together. To go on no further than that brings this to
   * an end, however busy the ledgers are: what is lacked was there before what speaks of it.
   */
  behind(states: readonly State[]): Map<number, (state: State) => boolean> {
    const behind = new Map<number, (state: State) => boolean>()
    const lacks = new Set<string>()
    const note = (what: string, ledger: number, isThere: (state: State) => boolean) => {
      lacks.add(what)
      if (this.#lacks.has(what)) return
      const others = behind.get(ledger)
      behind.set(ledger, (state) => isThere(state) && (others?.(state) ?? true))
    }
    const home = states[homeLedger] as State
    for (const { version } of states.map(({ topics }) => topics))
      if (version > home.topics.version) note(`${version}`, homeLedger, ({ topics }) => topics.version >= version)
    for (const { groups, offsets, topics } of states)
      for (const { groupId } of groups.all())
        for (const [name, partitions] of offsets.ofGroup(groupId)) {
          const id = topics.byName(name)?.id
          if (id === undefined) continue
          for (const [partition, { offset }] of partitions) {
            const ledger = ledgerOfPartition(id, partition, states.length)
            const isThere = ({ partitions: logs }: State) => (logs.get(id, partition)?.endOffset ?? 0) >= offset
            if (!isThere(states[ledger] as State)) note(`${groupId} ${id} ${partition} ${offset}`, ledger, isThere)
          }
        }
    this.#lacks = lacks
    return behind
  }
}
