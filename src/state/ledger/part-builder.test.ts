import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BufferPool } from '../../base/buffer-pool.js'
import { PinnedMemory } from '../../base/pinned-memory.js'
import { encodeBatch } from '../../protocol/records/record.js'
import type { AppendOutcome } from '../cluster.js'
import { type AppendCommand, batchStride } from '../views/partition-log.js'
import { type AppendRequest, appendProposal } from './append.js'
import { unpack } from './entry.js'
import { buildPart, type Proposal } from './part-builder.js'

const topicIds = ['0123456789abcdef0123456789abcdef', 'f'.repeat(32), '0'.repeat(32)]

/** One proposal each, in their order: of a batch for a topic's partition, or a command where there is no topic. */
const wanted = fc.array(fc.record({ topic: fc.integer({ min: -1, max: 2 }), partition: fc.nat(4) }), { maxLength: 80 })

function batchOf(number: number): Buffer {
  const value = Buffer.from(`value ${number}`)
  return encodeBatch({ records: [{ timestampMs: 1_700_000_000_000 + number, key: null, value, headers: [] }] })
}

test('batches of a partition lie side by side in their order, and each proposal gets its own outcome', () => {
  fc.assert(
    fc.property(wanted, (list) => {
      const memory = new PinnedMemory(new BufferPool(2 ** 20), { sharedBytesMax: 0 })
      const answers = new Map<number, unknown>()
      const proposals = list.map(({ topic, partition }, i): Proposal => {
        const resolve = (outcome: unknown) => void answers.set(i, outcome)
        const reject = () => assert.fail('nothing fails')
        if (topic < 0) return { kind: 'command', name: 'touchWriter', command: {}, resolve, reject }
        const encoded = batchOf(i)
        const batch = memory.take(encoded.length)
        encoded.copy(batch)
        const request: AppendRequest = { outcomes: [], missing: 1, resolve: ([outcome]) => resolve(outcome), reject }
        return appendProposal({ topicId: topicIds[topic] as string, partition, batch }, request, 0)
      })
      const part = buildPart([...proposals], memory)
      const commands = unpack(part.commands) as unknown[]
      if (part.plain !== undefined) assert.deepEqual(commands, part.plain)
      let body = Buffer.concat(part.body)
      assert.equal(body.length, part.bodyLength)
      let next = 0
      const outcomes: unknown[] = []
      for (let at = 0; at < commands.length; at += 3) {
        if (commands[at] !== 'append') {
          outcomes.push(`of ${next}`)
          next++
          continue
        }
        const { topics, batches } = commands[at + 1] as AppendCommand
        const count = batches.length / batchStride
        // As many proposals in a row as the command has batches, by topic, then by partition, then as they came.
        const row = list.slice(next, next + count).map((each, i) => ({ ...each, number: next + i }))
        const order = topics.map((topicId) => topicIds.indexOf(topicId))
        row.sort(
          (a, b) => order.indexOf(a.topic) - order.indexOf(b.topic) || a.partition - b.partition || a.number - b.number,
        )
        assert.deepEqual(order, [...new Set(list.slice(next, next + count).map(({ topic }) => topic))])
        let length = 0
        const given: AppendOutcome[] = []
        for (const [i, { topic, partition, number }] of row.entries()) {
          const encoded = batchOf(number)
          const numbers = [
            order.indexOf(topic),
            partition,
            encoded.length,
            1,
            1_700_000_000_000 + number,
            -1,
            -1,
            -1,
            0,
          ]
          assert.deepEqual(batches.slice(i * batchStride, (i + 1) * batchStride), numbers)
          assert.ok(body.subarray(0, encoded.length).equals(encoded))
          body = body.subarray(encoded.length)
          length += encoded.length
          given.push({ errorCode: 0, baseOffset: number, logStartOffset: 0 })
        }
        assert.equal(commands[at + 2], length)
        outcomes.push(given)
        next += count
      }
      assert.equal(next, list.length)
      part.settle(outcomes)
      for (const [i, { topic }] of list.entries())
        assert.deepEqual(answers.get(i), topic < 0 ? `of ${i}` : { errorCode: 0, baseOffset: i, logStartOffset: 0 })
      // Each was taken once, and is let go once.
      for (const proposal of proposals)
        if (proposal.kind === 'append') {
          const { idleBytes } = memory
          memory.unpin(proposal.batch)
          assert.equal(memory.idleBytes, idleBytes)
        }
    }),
  )
})
