import * as z from 'zod'
import type { SinkSpec } from '../component.js'
import { partitionForKey } from '../partitioner.js'
import { valueBytes } from '../record.js'
import { createTopicWriter } from '../topic-writer.js'

/** Kafka's rule for topic names. */
export const topicName = z
  .string()
  .regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/, { error: 'expected a topic name: 1 to 249 of A-Z a-z 0-9 . _ -' })

const table = z.strictObject({
  name: topicName,
  partition_by: z.enum(['key', 'source']).default('key'),
  partitions: z
    .int({ error: 'expected a whole number from 1 to 10000' })
    .min(1, { error: 'expected a whole number from 1 to 10000' })
    .max(10_000, { error: 'expected a whole number from 1 to 10000' })
    .optional(),
})

const options = z
  .union([topicName, table])
  .transform((given) => (typeof given === 'string' ? table.parse({ name: given }) : given))

export type TopicSinkOptions = z.output<typeof options>

/** `topic = "paid"`: appends to another topic of this cluster; keys, headers and timestamps are kept. */
export const topic: SinkSpec<TopicSinkOptions> = {
  kind: 'sink',
  name: 'topic',
  summary: 'Appends to another topic of this cluster, which is created when it is not there.',
  delivery: 'at-least-once',
  options,
  open({ name, partition_by, partitions }, { cluster, topic: source }) {
    const writer = createTopicWriter(
      cluster,
      name,
      () => partitions ?? cluster.topics.byName(source)?.partitionCount ?? 1,
    )
    return {
      async write(batch) {
        const records = batch.map((record) => ({
          timestampMs: record.timestampMs,
          key: record.key,
          value: valueBytes(record),
          headers: record.headers,
        }))
        const failures = await writer.append(records, (index, partitionCount) => {
          const record = batch[index]
          const key = record?.key ?? null
          // Records without a key stay beside those they came with.
          if (partition_by === 'source' || key === null) return (record?.partition ?? 0) % partitionCount
          return partitionForKey(key, partitionCount)
        })
        return { failures }
      },
      async close() {},
    }
  },
}
