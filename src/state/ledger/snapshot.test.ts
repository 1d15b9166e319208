import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../../base/clock.js'
import { CorruptObjectError } from '../../base/errors.js'
import { crc32c } from '../../protocol/records/crc32c.js'
import { applyCommand, emptyState, type State, toSnapshot } from '../views/state.js'
import { noEvents } from '../views/view.js'
import { checksum, pack } from './entry.js'
import { decodeSnapshot, encodeSnapshot } from './snapshot.js'

const topicIds = ['a', 'b', 'c'].map((letter) => letter.repeat(32))
const idOf = (index: number) => topicIds[index] as string

interface Step {
  kind: 'append' | 'delete' | 'remove' | 'extend' | 'replace' | 'clean' | 'mark' | 'forget' | 'fence' | 'yield'
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
  else {
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

test('a snapshot holds the state as it was when it began, whatever changes while it is encoded', async () => {
  const often = ['append', 'append', 'append', 'yield', 'yield'] as const
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom(...often, 'delete', 'remove', 'extend', 'replace', 'clean', 'mark', 'forget', 'fence'),
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

test('a snapshot of an older format can be read', async () => {
  const state = emptyState()
  take(state, { kind: 'extend', topic: 1, partition: 0 })
  take(state, { kind: 'append', topic: 1, partition: 5 })
  const expected = pack(toSnapshot(state))
  // Before format 3 a partition ended with its producers.
  const plain = () => {
    const snapshot = toSnapshot(state) as unknown[]
    const [segmentsFrom, topics] = snapshot[3] as [number, [string, unknown[][]][]]
    const partitions = topics.map(([topicId, logs]) => [topicId, logs.map((log) => log.slice(0, 4))] as const)
    return { snapshot, segmentsFrom, partitions }
  }

  const format1 = plain()
  format1.snapshot[3] = format1.partitions
  const body = pack([1, 9, format1.snapshot])
  const head = Buffer.from('HLS1\0\0\0\0')
  head.writeUInt32BE(checksum(body), 4)

  const format2 = plain()
  format2.snapshot[3] = [format2.segmentsFrom, format2.partitions.map(([topicId, logs]) => [topicId, logs.length])]
  const frames = [[2, 9, format2.snapshot], format2.partitions.flatMap(([, logs]) => logs)].map((data) => {
    const frame = pack(data)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(frame.length)
    return Buffer.concat([length, frame])
  })
  const head2 = Buffer.from('HLS2\0\0\0\0')
  head2.writeUInt32BE(crc32c(Buffer.concat(frames)), 4)

  for (const bytes of [Buffer.concat([head, body]), Buffer.concat([head2, ...frames])]) {
    const decoded = decodeSnapshot(bytes, 'key')
    assert.equal(decoded.sequence, 9)
    assert.ok(pack(toSnapshot(decoded.state)).equals(expected))
  }
})
