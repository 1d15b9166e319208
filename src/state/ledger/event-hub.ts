import type { StateEvents } from '../views/view.js'

type EventName = keyof StateEvents

/** Passes what commands change on to all who listen, in the order in which they began to. */
export class EventHub implements StateEvents {
  readonly #listeners: { [Name in EventName]: StateEvents[Name][] } = {
    partitionChanged: [],
    topicChanged: [],
    joinCompleted: [],
    syncCompleted: [],
    groupChanged: [],
    memberRemoved: [],
    leaseChanged: [],
    instanceChanged: [],
  }

  /** Adds a listener; returns how to remove it. */
  add(listener: Partial<StateEvents>): () => void {
    const removals: (() => void)[] = []
    for (const name of Object.keys(this.#listeners) as EventName[]) {
      const hear = listener[name]?.bind(listener) as (() => void) | undefined
      if (hear === undefined) continue
      // Lists are replaced, not changed: a listener may remove itself, or another, while it hears.
      const lists = this.#listeners as Record<EventName, (() => void)[]>
      lists[name] = [...lists[name], hear]
      removals.push(() => {
        lists[name] = lists[name].filter((other) => other !== hear)
      })
    }
    return () => {
      for (const remove of removals.splice(0)) remove()
    }
  }

  partitionChanged(topicId: string, partition: number): void {
    for (const hear of this.#listeners.partitionChanged) hear(topicId, partition)
  }

  topicChanged(name: string): void {
    for (const hear of this.#listeners.topicChanged) hear(name)
  }

  joinCompleted(groupId: string): void {
    for (const hear of this.#listeners.joinCompleted) hear(groupId)
  }

  syncCompleted(groupId: string): void {
    for (const hear of this.#listeners.syncCompleted) hear(groupId)
  }

  groupChanged(groupId: string): void {
    for (const hear of this.#listeners.groupChanged) hear(groupId)
  }

  memberRemoved(groupId: string, memberId: string, errorCode: number): void {
    for (const hear of this.#listeners.memberRemoved) hear(groupId, memberId, errorCode)
  }

  leaseChanged(name: string): void {
    for (const hear of this.#listeners.leaseChanged) hear(name)
  }

  instanceChanged(writer: number): void {
    for (const hear of this.#listeners.instanceChanged) hear(writer)
  }
}
