import type { TopicId, TopicPartition } from '../cluster.js'

type Wake = () => void

/** Who waits for which partition to change. */
export class PartitionWatchers {
  /** Of most partitions that are watched one waits for it: only several take a set. */
  readonly #wakes = new Map<TopicId, Map<number, Wake | Set<Wake>>>()

  /** Whether anybody waits. */
  get isAwaited(): boolean {
    return this.#wakes.size > 0
  }

  /** Calls `wake` whenever one of the partitions changes; returns how to stop. */
  watch(partitions: readonly TopicPartition[], wake: Wake): () => void {
    let topic: Map<number, Wake | Set<Wake>> | undefined
    let last: TopicId | undefined
    for (const { topicId, partition } of partitions) {
      // Mostly it is one topic's partitions.
      if (topic === undefined || topicId !== last) {
        topic = this.#wakes.get(topicId)
        if (topic === undefined) {
          topic = new Map()
          this.#wakes.set(topicId, topic)
        }
        last = topicId
      }
      const wakes = topic.get(partition)
      if (wakes === undefined) topic.set(partition, wake)
      else if (wakes instanceof Set) wakes.add(wake)
      else topic.set(partition, new Set([wakes, wake]))
    }
    return () => this.#remove(partitions, wake)
  }

  changed(topicId: TopicId, partition: number): void {
    const wakes = this.#wakes.get(topicId)?.get(partition)
    if (wakes === undefined) return
    if (wakes instanceof Set) for (const wake of [...wakes]) wake()
    else wakes()
  }

  #remove(partitions: readonly TopicPartition[], wake: Wake): void {
    let topic: Map<number, Wake | Set<Wake>> | undefined
    let last: TopicId | undefined
    for (const { topicId, partition } of partitions) {
      if (topicId !== last) {
        topic = this.#wakes.get(topicId)
        last = topicId
      }
      const wakes = topic?.get(partition)
      if (topic === undefined || wakes === undefined) continue
      if (wakes instanceof Set) {
        wakes.delete(wake)
        if (wakes.size > 0) continue
      } else if (wakes !== wake) continue
      topic.delete(partition)
      if (topic.size === 0) this.#wakes.delete(topicId)
    }
  }
}
