/**
 * What consumers write into JoinGroup and SyncGroup (`ConsumerProtocolSubscription` and
 * `ConsumerProtocolAssignment` of kafka-clients, version 0 of each: later ones only append).
 */

export type PartitionsByTopic = ReadonlyMap<string, readonly number[]>

export function encodeSubscription(topics: readonly string[]): Buffer {
  return Buffer.concat([int16(0), int32(topics.length), ...topics.map(string), int32(-1)])
}

/** @throws RangeError when the bytes are not a subscription. */
export function decodeSubscription(bytes: Buffer): string[] {
  const cursor = { bytes, position: 2 }
  return Array.from({ length: readCount(cursor) }, () => readString(cursor))
}

export function encodeAssignment(assignment: PartitionsByTopic): Buffer {
  const topics = [...assignment].flatMap(([topic, partitions]) => [
    string(topic),
    int32(partitions.length),
    ...partitions.map(int32),
  ])
  return Buffer.concat([int16(0), int32(assignment.size), ...topics, int32(-1)])
}

/** No bytes at all are an assignment of nothing. @throws RangeError when the bytes are not an assignment. */
export function decodeAssignment(bytes: Buffer): PartitionsByTopic {
  const assignment = new Map<string, number[]>()
  if (bytes.length === 0) return assignment
  const cursor = { bytes, position: 2 }
  for (let left = readCount(cursor); left > 0; left--) {
    const topic = readString(cursor)
    assignment.set(
      topic,
      Array.from({ length: readCount(cursor) }, () => readInt32(cursor)),
    )
  }
  return assignment
}

/**
 * Kafka's range assignor: each topic's partitions, in order, in runs as equal as can be, over the members that
 * subscribed to it in the order of their ids.
 * @returns the assignment of each member
 */
export function assignRanges(
  subscriptions: ReadonlyMap<string, readonly string[]>,
  partitionCounts: ReadonlyMap<string, number>,
): Map<string, Map<string, number[]>> {
  const members = [...subscriptions.keys()].sort((a, b) => (a < b ? -1 : 1))
  const assignments = new Map(members.map((member) => [member, new Map<string, number[]>()]))
  for (const [topic, count] of partitionCounts) {
    const subscribers = members.filter((member) => subscriptions.get(member)?.includes(topic))
    let next = 0
    subscribers.forEach((member, index) => {
      const share = Math.floor(count / subscribers.length) + (index < count % subscribers.length ? 1 : 0)
      const first = next
      next += share
      if (share > 0)
        assignments.get(member)?.set(
          topic,
          Array.from({ length: share }, (_, i) => first + i),
        )
    })
  }
  return assignments
}

interface Cursor {
  bytes: Buffer
  position: number
}

function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2)
  buffer.writeInt16BE(value)
  return buffer
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([int16(bytes.length), bytes])
}

function readInt32(cursor: Cursor): number {
  const value = cursor.bytes.readInt32BE(cursor.position)
  cursor.position += 4
  return value
}

/** A count of things of at least two bytes each. */
function readCount(cursor: Cursor): number {
  const count = readInt32(cursor)
  if (count < 0 || count * 2 > cursor.bytes.length - cursor.position) throw new RangeError(`a count of ${count}`)
  return count
}

function readString(cursor: Cursor): string {
  const length = cursor.bytes.readInt16BE(cursor.position)
  const start = cursor.position + 2
  if (length < 0 || start + length > cursor.bytes.length) throw new RangeError(`a text of ${length} bytes`)
  cursor.position = start + length
  return cursor.bytes.toString('utf8', start, start + length)
}
