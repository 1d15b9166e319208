import type { TopicId, TopicPartition } from '../cluster.js'

/** Who waits for which partition to change. */
export class PartitionWatchers {
  readonly #wakes = new Map<TopicId, Map<number, Set<() => void>>>()

  /** Whether anybody waits. */
  get isAwaited(): boolean {
    return this.#wakes.size > 0
  }

  /** Calls `wake` whenever one of the partitions changes; returns how to stop. */
  watch(partitions: readonly TopicPartition[], wake: () => void): () => void {
    for (const { topicId, partition } of partitions) {
      let topic = this.#wakes.get(topicId)
      if (topic === undefined) {
        topic = new Map()
        this.#wakes.set(topicId, topic)
      }
      const wakes = topic.get(partition)
      if (wakes === undefined) topic.set(partition, new Set([wake]))
      else wakes.add(wake)
    }
    return () => {
      for (const { topicId, partition } of partitions) this.#remove(topicId, partition, wake)
    }
  }

  changed(topicId: TopicId, partition: number): void {
    const wakes = this.#wakes.get(topicId)?.get(partition)
    if (wakes === undefined) return
    for (const wake of [...wakes]) wake()
  }

  #remove(topicId: TopicId, partition: number, wake: () => void): void {
    const topic = this.#wakes.get(topicId)
    const wakes = topic?.get(partition)
    if (topic === undefined || wakes === undefined) return
    wakes.delete(wake)
    if (wakes.size === 0) topic.delete(partition)
    if (topic.size === 0) this.#wakes.delete(topicId)
  }
}
