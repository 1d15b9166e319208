import { assert } from '../../base/assert.js'
import type { Topic, TopicId } from '../cluster.js'
import { ledgerOfPartition } from '../routing.js'
import { dropTopic, type PackedTopic, type Topics, topicFromSnapshot, topicToSnapshot } from './topics.js'
import type { ApplyTable } from './view.js'

/**
 * The topics of a cluster with several ledgers. What topics there are is decided in the home ledger, whose every change
 * of a topic has a version: the catalogue is a sequence of versions. Each of the other ledgers holds one of these
 * versions, exactly, and goes on to later ones by commands that say what has changed. So none of them ever
 * knows a topic that there was not, nor goes back: what is not in version v and was in an earlier one is deleted
 * for good, since ids are never given twice, however old the view is from which that is said.
 */

/**
 * Brings a ledger to a later version of the catalogue; without effect if it holds that already, or a later one. Whoever
 * proposes this need not know what version the ledger has come to meanwhile, if only it has once been at `from`.
 */
export interface FollowCatalogueCommand {
  from: number
  to: number
  /** All topics of version `to` that have changed since `from`, as they are in `to`; in the order of their creation. */
  topics: PackedTopic[]
  /** Those of version `from` that are not in `to`. */
  dropped: TopicId[]
  /** The number of the ledger that this is for, and how many there are. */
  ledger: number
  ledgers: number
}

export interface CatalogueCommands {
  /** The outcome is the version that the ledger holds now. */
  followCatalogue: { command: FollowCatalogueCommand; outcome: { version: number } }
}

export const catalogueApply: ApplyTable<CatalogueCommands> = {
  followCatalogue(state, { from, to, topics, dropped, ledger, ledgers }, _place, events) {
    const { version } = state.topics
    assert(from <= version, `a ledger at version ${version} of the catalogue is told what has changed since ${from}`)
    if (to <= version) return { version }
    const changed = topics.map(topicFromSnapshot)
    const gone = new Set(dropped)
    const kept = new Set(changed.map(({ id }) => id))
    // Those too that came after `from`, by another command, and went before `to`.
    const isGone = ({ id, changedAt = 0 }: Topic) => gone.has(id) || (changedAt > from && !kept.has(id))
    // First what goes: a new topic may have its name.
    for (const topic of [...state.topics.all()].filter(isGone)) dropTopic(state, topic, events)
    for (const topic of changed) {
      state.topics.put(topic)
      state.partitions.extend(
        topic.id,
        topic.partitionCount,
        (partition) => ledgerOfPartition(topic.id, partition, ledgers) === ledger,
      )
      events.topicChanged(topic.name)
    }
    state.topics.version = to
    return { version: to }
  },
}

/** What has changed from the version of the catalogue that a ledger holds to the one at home. */
export function catalogueChanges(
  home: Topics,
  held: Topics,
): Pick<FollowCatalogueCommand, 'from' | 'to' | 'topics' | 'dropped'> {
  const { version: from } = held
  const topics: PackedTopic[] = []
  for (const topic of home.all()) if ((topic.changedAt ?? 0) > from) topics.push(topicToSnapshot(topic))
  const dropped: TopicId[] = []
  for (const { id } of held.all()) if (home.byId(id) === undefined) dropped.push(id)
  return { from, to: home.version, topics, dropped }
}
