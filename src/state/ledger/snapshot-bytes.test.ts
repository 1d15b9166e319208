import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../../base/clock.js'
import { CorruptObjectError } from '../../base/errors.js'
import { crc32c } from '../../protocol/records/crc32c.js'
import type { CommittedPartition } from '../views/offsets.js'
import { applyCommand, emptyState, type State, toSnapshot } from '../views/state.js'
import { noEvents, type Place } from '../views/view.js'
import { checksum, pack, unpack } from './entry.js'
import { decodeSnapshot, encodeSnapshot } from './snapshot-bytes.js'

const topicIds = ['a', 'b', 'c'].map((letter) => letter.repeat(32))
const idOf = (index: number) => topicIds[index] as string

interface Step {
  kind:
    | 'append'
    | 'delete'
    | 'remove'
    | 'extend'
    | 'replace'
    | 'clean'
    | 'mark'
    | 'forget'
    | 'fence'
    | 'tick'
    | 'commit'
    | 'expire'
    | 'join'
    | 'leave'
    | 'yield'
  topic: number
  partition: number
}

/** Applies a command that changes something, or nothing. */
function take(state: State, step: Step): void {
  const { position } = state
  const place = { position, timeMs: position, writer: 3, body: { writer: 0, number: position, position: 50 } }
  if (step.kind === 'yield') return
  if (step.kind === 'forget') applyCommand(state, 'forgetProducers', { beforeMs: position - 5 }, place, noEvents)
  else if (step.kind === 'fence') applyCommand(state, 'fenceSegments', { below: position }, place, noEvents)
  else if (step.kind === 'tick') {
    state.writers.admit(step.partition, 1, position)
    const { ticks } = state.clock
    const tick = { from: ticks, ms: 500, keepMs: 4_000, sequence: position, covered: step.topic }
    applyCommand(state, 'tick', tick, place, noEvents)
  } else {
    const { topic, partition } = step
    const topicId = idOf(topic)
    const partitionCount = 1 + (state.topics.byId(topicId)?.partitionCount ?? 400)
    if (step.kind === 'extend') {
      const create = { name: topicId, id: topicId, partitionCount, configs: [] }
      applyCommand(state, 'createTopic', create, place, noEvents)
      applyCommand(state, 'createPartitions', { id: topicId, partitionCount }, place, noEvents)
    } else if (step.kind === 'remove') applyCommand(state, 'deleteTopic', { id: topicId }, place, noEvents)
    else if (step.kind === 'delete')
      applyCommand(state, 'deleteRecords', { topicId, partition, offset: -1 }, place, noEvents)
    else if (step.kind === 'commit' || step.kind === 'expire' || step.kind === 'join' || step.kind === 'leave')
      takeOfGroup(state, step, place)
    else if (step.kind === 'append') {
      const batches = [0, partition, 100, 2, position, position % 3, 0, 0, 0]
      applyCommand(state, 'append', { topics: [topicId], batches }, place, noEvents)
    } else if (step.kind === 'mark') {
      const { firstDirtyOffset = 0, endOffset = 0 } = state.partitions.get(topicId, partition) ?? {}
      const mark = { topicId, partition, from: firstDirtyOffset, to: endOffset, deleteHorizonMs: position }
      applyCommand(state, 'markCleaned', mark, place, noEvents)
    } else {
      const first = state.partitions.get(topicId, partition)?.ranges
      if (first === undefined || first.length === 0) return
      const { baseOffset, endOffset, writer, number, position: at, length } = first.at(0)
      const command = {
        topicId,
        partition,
        number: position,
        from: [baseOffset, endOffset, writer, number, at, length],
      }
      if (step.kind === 'clean') applyCommand(state, 'cleanRanges', { ...command, to: [] }, place, noEvents)
      else applyCommand(state, 'replaceRanges', { ...command, to: [endOffset, 4, length, 0] }, place, noEvents)
    }
  }
}

/** Groups come and go, members come and go, offsets are committed and expire. */
function takeOfGroup(state: State, { kind, topic, partition }: Step, place: Place): void {
  const groupId = `group ${partition % 7}`
  const group = state.groups.byId(groupId)
  if (kind === 'join') {
    const command = {
      groupId,
      memberId: '',
      newMemberId: `member ${place.position}`,
      groupInstanceId: null,
      clientId: 'client',
      clientHost: 'host',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from('all') }],
      requiresKnownMemberId: false,
      supportsSkippingAssignment: false,
      initialRebalanceDelayMs: 0,
      groupSizeMax: 10,
      request: `request ${place.position}`,
    }
    applyCommand(state, 'joinGroup', command, place, noEvents)
  } else if (kind === 'leave') {
    const members = [...(group?.members.keys() ?? [])]
      .slice(0, 1)
      .map((memberId) => ({ memberId, groupInstanceId: null }))
    applyCommand(state, 'leaveGroup', { groupId, members }, place, noEvents)
  } else if (kind === 'commit') {
    const partitions: CommittedPartition[] = [partition, 1, 2].map((each) => [each, place.position, -1, ''])
    const topics = [{ name: idOf(topic), id: null, partitions }]
    const command = { groupId, memberId: '', groupInstanceId: null, generationId: -1, topics, after: place.position }
    applyCommand(state, 'commitOffsetsAfter', command, place, noEvents)
  } else {
    const offsets: [string, number, number][] = []
    for (const [name, stored] of state.offsets.ofGroup(groupId))
      for (const [each, { position }] of stored) offsets.push([name, each, position])
    const command = { groupId, emptySince: group?.emptySince.position ?? 0, offsets: offsets.slice(topic) }
    applyCommand(state, 'expireOffsets', command, place, noEvents)
  }
}

test('a snapshot holds the state as it was when it began, whatever changes while it is encoded', async () => {
  const often = ['append', 'append', 'append', 'yield', 'yield'] as const
  const rarely = ['delete', 'remove', 'extend', 'replace', 'clean', 'mark', 'forget', 'fence', 'tick'] as const
  const ofGroups = ['commit', 'commit', 'expire', 'join', 'leave'] as const
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom(...often, ...ofGroups, ...rarely),
    topic: fc.nat(2),
    partition: fc.nat(402),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.array(step, { maxLength: 40 }), async (before, during) => {
      const state = emptyState()
      for (const [topic] of topicIds.entries()) take(state, { kind: 'extend', topic, partition: 0 })
      for (const each of before) take(state, each)
      // Twice: the second snapshot must not take what the first one kept.
      for (const steps of [during, during.toReversed()]) {
        const expected = pack(toSnapshot(state))
        const waiting = [...steps]
        const clock = {
          ...systemClock,
          soon(task: () => void) {
            for (let next = waiting.shift(); next && next.kind !== 'yield'; next = waiting.shift()) take(state, next)
            task()
          },
        }
        const { pieces, bytes } = await encodeSnapshot(state, 77, clock)
        const object = Buffer.concat(pieces)
        assert.equal(object.length, bytes)
        const decoded = decodeSnapshot(object, 'key')
        assert.equal(decoded.sequence, 77)
        assert.ok(pack(toSnapshot(decoded.state)).equals(expected))
        for (const each of waiting) take(state, each)
      }
    }),
    { numRuns: 60 },
  )
})

test('a snapshot with any byte changed is refused', async () => {
  const state = emptyState()
  take(state, { kind: 'extend', topic: 1, partition: 0 })
  const bytes = Buffer.concat((await encodeSnapshot(state, 1, systemClock)).pieces)
  for (let at = 0; at < bytes.length; at += 7) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] as number) ^ 1
    assert.throws(() => decodeSnapshot(changed, 'key'), CorruptObjectError, `byte ${at}`)
  }
})

/** The bytes of a snapshot that begins with `magic`. */
function object(magic: string, checksumOf: (bytes: Buffer) => number, ...body: Buffer[]): Buffer {
  const head = Buffer.from(`${magic}\0\0\0\0`)
  head.writeUInt32BE(checksumOf(Buffer.concat(body)), 4)
  return Buffer.concat([head, ...body])
}

function framesOf(...frames: unknown[]): Buffer[] {
  return frames.map(pack).flatMap((frame) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(frame.length)
    return [length, frame]
  })
}

test('a snapshot of an older format can be read', async () => {
  const state = emptyState()
  for (const topic of [1, 0]) take(state, { kind: 'extend', topic, partition: 0 })
  take(state, { kind: 'append', topic: 1, partition: 5 })
  state.groups.ensure('group', { position: 9, timeMs: 0, writer: 3, body: { writer: 0, number: 1, position: 0 } })
  const stored = { offset: 3, leaderEpoch: -1, metadata: '', committedAtMs: 0, position: 9 }
  for (const partition of [3, 4]) state.offsets.put('group', idOf(0), partition, { ...stored, writer: 0 })
  state.writers.admit(4, 1, 77)
  const expected = pack(toSnapshot(state))
  // Before format 6 nothing said who took a committed offset, which is read as a writer 0.
  const withoutWriter = ([groupId, topic, partitions]: [string, string, unknown[][]]) => [
    groupId,
    topic,
    partitions.map((fields) => fields.slice(0, 6)),
  ]
  // Before format 5 there was no clock, before format 4 no writer was forgotten, before format 3 a partition ended with its producers.
  const plainOf = (format: number) => {
    const plain = (toSnapshot(state) as unknown[]).slice(0, -1)
    plain[1] = (plain[1] as unknown[])[1]
    const offsets = plain[6] as [string, [string, unknown[][]][]][]
    plain[6] = offsets.map(([groupId, byTopic]) => [
      groupId,
      byTopic.map(([topic, partitions]) => withoutWriter([groupId, topic, partitions]).slice(1)),
    ])
    const [segmentsFrom, topics] = plain[3] as [number, [string, unknown[][]][]]
    if (format === 3) return { plain, segmentsFrom, topics }
    return {
      plain,
      segmentsFrom,
      topics: topics.map(([id, logs]) => [id, logs.map((log) => log.slice(0, 4))] as const),
    }
  }
  const format1 = plainOf(1)
  format1.plain[3] = format1.topics
  const snapshots = [object('HLS1', checksum, pack([1, 9, format1.plain]))]
  for (const format of [2, 3]) {
    const { plain, segmentsFrom, topics } = plainOf(format)
    plain[3] = [segmentsFrom, topics.map(([topicId, logs]) => [topicId, logs.length])]
    const logs = topics.flatMap(([, ofTopic]) => [...ofTopic])
    snapshots.push(object('HLS2', crc32c, ...framesOf([format, 9, plain], logs.slice(0, 100), logs.slice(100))))
  }
  const { pieces } = await encodeSnapshot(state, 9, systemClock)
  const frames = pieces.slice(1).filter((_, index) => index % 2 === 1)
  const [, , head] = unpack(frames[0] as Buffer) as [number, number, unknown[]]
  const rest = frames.slice(1).map((frame) => {
    const [section, piecesOf] = unpack(frame) as [string, [string, string, unknown[][]][]]
    return [section, section === 'offsets' ? piecesOf.map(withoutWriter) : piecesOf]
  })
  snapshots.push(object('HLS2', crc32c, ...framesOf([4, 9, head.slice(0, -1)], ...rest)))
  snapshots.push(object('HLS2', crc32c, ...framesOf([5, 9, head], ...rest)))
  for (const snapshot of snapshots) {
    const decoded = decodeSnapshot(snapshot, 'key')
    assert.equal(decoded.sequence, 9)
    assert.ok(pack(toSnapshot(decoded.state)).equals(expected))
  }
})
