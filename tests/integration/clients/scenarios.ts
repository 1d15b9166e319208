import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { type Gateway, startGateway } from '../gateway.js'
import type { Tool } from '../tools.js'
import {
  ClientProcess,
  type ClientProgram,
  type ClientRecord,
  type Compression,
  eventually,
  type Offsets,
  type RecordToSend,
  sharing,
} from './driver.js'

/** What differs between the clients. */
export interface Traits {
  /** The codecs this client has. */
  compressions: Compression[]
  /** Assignors to rebalance with; an eager one comes first. */
  assignors?: string[]
}

const partitionCount = 6
const sessionTimeoutMs = 6_000
const timeout = 60_000

/** Every promise of the gateway to a client library, shown with that library. */
export function clientSuite(name: string, found: Tool<ClientProgram>, traits: Traits): void {
  describe(name, { skip: found.skip, concurrency: false }, () => {
    let gateway: Gateway
    let client: ClientProcess
    const closing: (() => Promise<void>)[] = []

    const start = () => {
      if (!found.tool) throw new Error(`${name} is missing`)
      return new ClientProcess(found.tool, gateway.bootstrap)
    }
    const newTopic = async (partitions: number) => {
      const topic = `t-${randomUUID()}`
      await client.call('create', { topic, partitions })
      // Kafka names leaders before they serve; a client that meets that retries, and a plain one then sends twice.
      await eventually('every partition has a leader that serves', 15_000, async () => {
        const offsets = await client.call('offsets', { topic }).catch(() => undefined)
        return Object.keys(offsets?.latest ?? {}).length === partitions
      })
      return topic
    }

    before(async () => {
      gateway = await startGateway()
      closing.push(() => gateway.stop())
      client = start()
      closing.push(() => client.close())
    })
    after(async () => {
      for (const close of closing.reverse()) await close()
    })

    for (const compression of traits.compressions) {
      for (const idempotent of [false, true]) {
        const producer = idempotent ? 'an idempotent producer' : 'a plain producer'
        test(`what ${producer} sends with compression ${compression} comes back as it was`, { timeout }, async () => {
          const topic = await newTopic(3)
          const records = variedRecords(3, 20)
          const first = await client.call('produce', { topic, compression, idempotent, records })
          const second = await client.call('produce', { topic, compression, idempotent, records })
          assert.deepEqual(first.baseOffsets, { 0: 0, 1: 0, 2: 0 })
          assert.deepEqual(second.baseOffsets, { 0: 20, 1: 20, 2: 20 })

          const consumed = await client.call('consume', { topic, count: 120 })
          for (let partition = 0; partition < 3; partition++) {
            const sent = records.filter((record) => record.partition === partition)
            const expected = [...sent, ...sent].map((record, offset) => ({ ...record, offset }))
            assert.deepEqual(ofPartition(consumed.records, partition), expected)
          }
        })
      }
    }

    test('large records of every size come back whole', { timeout }, async () => {
      const topic = await newTopic(1)
      const sizes = [1, 1_000, 100_000, 900_000]
      const records = sizes.map((size, index) => ({ partition: 0, key: String(index), value: 'ä'.repeat(size / 2) }))
      for (const record of records) {
        await client.call('produce', { topic, compression: 'none', idempotent: true, records: [record] })
      }
      const consumed = await client.call('consume', { topic, count: sizes.length })
      assert.deepEqual(
        consumed.records.map(({ value }) => value?.length),
        sizes.map((size) => Math.floor(size / 2)),
      )
      assert.ok(consumed.records.every(({ value }, index) => value === records[index]?.value))
    })

    test('a group resumes where it committed, and its offsets can be read', { timeout }, async () => {
      const topic = await newTopic(2)
      const group = `g-${randomUUID()}`
      const records = plainRecords(2, 25)
      await client.call('produce', { topic, compression: 'none', idempotent: true, records })

      const first = await client.call('groupConsume', { topic, group, count: 30 })
      assert.deepEqual((await client.call('committed', { topic, group })).offsets, nextOffsets(first.records))
      const second = await client.call('groupConsume', { topic, group, count: 20 })
      const values = [...first.records, ...second.records].map(({ value }) => value)
      assert.equal(values.length, records.length)
      assert.deepEqual(new Set(values), new Set(records.map(({ value }) => value)))
      assert.deepEqual((await client.call('committed', { topic, group })).offsets, { 0: 25, 1: 25 })
    })

    test('offsets are found: earliest, latest, by time', { timeout }, async () => {
      const topic = await newTopic(2)
      const hour = 3_600_000
      const start = Date.now() - 10 * hour
      for (const batch of [0, 1, 2]) {
        const records = [0, 1, 2].map((index) => ({
          partition: 0,
          key: null,
          value: `${batch}.${index}`,
          timestamp: start + (batch * 3 + index) * hour,
        }))
        await client.call('produce', { topic, compression: 'none', idempotent: true, records })
      }
      const ends = await client.call('offsets', { topic })
      assert.deepEqual(ends, { earliest: { 0: 0, 1: 0 }, latest: { 0: 9, 1: 0 } })

      const offsetAt = async (timestamp: number) =>
        (await client.call('offsetsForTime', { topic, timestamp })).offsets[0]
      assert.equal(await offsetAt(start - hour), 0, 'before the first record')
      assert.equal(await offsetAt(start + 4 * hour), 4, 'the exact time of a record in mid-batch')
      assert.equal(await offsetAt(start + 4 * hour + 1), 5, 'a moment after it')
      assert.ok([-1, 9].includes((await offsetAt(start + 9 * hour)) ?? 0), 'after the last record there is none')
    })

    test('a deleted topic is gone, and one of the same name starts anew', { timeout }, async () => {
      const topic = await newTopic(1)
      await client.call('produce', { topic, compression: 'none', idempotent: true, records: plainRecords(1, 5) })
      await client.call('deleteTopic', { topic })
      await eventually('the topic can be made again', 15_000, async () => {
        try {
          await client.call('create', { topic, partitions: 1 })
          return true
        } catch {
          return false
        }
      })
      await client.call('produce', { topic, compression: 'none', idempotent: true, records: plainRecords(1, 3) })
      assert.deepEqual((await client.call('offsets', { topic })).latest, { 0: 3 })
    })

    for (const assignor of traits.assignors ?? ['range']) {
      test(`a group of three shares the partitions when one joins, leaves or is killed (${assignor})`, {
        timeout: 120_000,
      }, async () => {
        const topic = await newTopic(partitionCount)
        const group = `g-${randomUUID()}`
        const members = [start(), start(), start()]
        const [first, second, third] = members as [ClientProcess, ClientProcess, ClientProcess]
        const produce = async (round: string) => {
          const records = plainRecords(partitionCount, 10, round)
          await client.call('produce', { topic, compression: 'none', idempotent: true, records })
          return records.map(({ value }) => value)
        }
        const join = (member: ClientProcess) => member.call('member', { topic, group, sessionTimeoutMs, assignor })
        const shared = (what: string, among: ClientProcess[]) => sharing(what, among, partitionCount)
        const received = (among: ClientProcess[], values: (string | null)[]) =>
          eventually(
            'every record is received',
            30_000,
            () => {
              const seen = new Set(among.flatMap((member) => member.received.map(({ value }) => value)))
              return values.every((value) => seen.has(value))
            },
            () => among.map((member) => member.received.length),
          )
        try {
          await join(first)
          await shared('the first has all partitions', [first])
          await received(members, await produce('alone'))
          await join(second)
          await shared('two share them', [first, second])
          await join(third)
          await shared('three share them', members)
          await received(members, await produce('three'))

          const described = await client.call('describeGroup', { group })
          assert.equal(described.state.toLowerCase(), 'stable')
          assert.equal(described.members, 3)
          assert.ok((await client.call('listGroups', {})).groups.includes(group))

          await third.kill()
          const afterKill = await produce('killed')
          await shared('the others take over what a killed one had', [first, second])
          await received([first, second], afterKill)

          await second.call('leave', {})
          await shared('one takes over what another left', [first])
          const last = await produce('left')
          await received([first], last)
          assertInOrder(first.received.filter(({ value }) => last.includes(value)))

          await first.call('leave', {})
          await eventually('the group is empty', 15_000, async () => {
            const { state, members: left } = await client.call('describeGroup', { group })
            return state.toLowerCase() === 'empty' && left === 0
          })
          assert.equal(sum((await client.call('committed', { topic, group })).offsets), 4 * 10 * partitionCount)
          await client.call('deleteGroup', { group })
          assert.ok(!(await client.call('listGroups', {})).groups.includes(group))
        } catch (error) {
          const logs = members.map((member, index) => `member ${index + 1}:\n${member.log()}`).join('\n')
          throw new Error(`${(error as Error).message}\n${logs}`, { cause: error })
        } finally {
          await Promise.all(members.map((member) => member.kill()))
        }
      })
    }
  })
}

/** Keys and values of all kinds: absent, empty, long, beyond ASCII, with headers. */
function variedRecords(partitions: number, each: number): Required<RecordToSend>[] {
  const now = Date.now()
  return Array.from({ length: partitions * each }, (_, index) => ({
    partition: index % partitions,
    key: index % 5 === 0 ? null : `key-${index}`,
    value: index % 7 === 3 ? '' : `välue-${index}-${'abc'.repeat(index)}`,
    timestamp: now + index,
    headers: index % 4 === 0 ? { trace: `id-${index}`, kind: 'ünit' } : ({} as Record<string, string>),
  }))
}

function plainRecords(partitions: number, each: number, label = 'value'): RecordToSend[] {
  return Array.from({ length: partitions * each }, (_, index) => ({
    partition: index % partitions,
    key: null,
    value: `${label}-${index}`,
  }))
}

function ofPartition(records: ClientRecord[], partition: number): ClientRecord[] {
  return records.filter((record) => record.partition === partition)
}

function nextOffsets(records: ClientRecord[]): Offsets {
  const offsets: Offsets = {}
  for (const { partition, offset } of records) offsets[partition] = Math.max(offsets[partition] ?? 0, offset + 1)
  return offsets
}

function assertInOrder(records: ClientRecord[]): void {
  const next: Offsets = {}
  for (const { partition, offset } of records) {
    assert.ok(offset >= (next[partition] ?? 0), `partition ${partition}: offset ${offset} after ${next[partition]}`)
    next[partition] = offset + 1
  }
}

function sum(offsets: Offsets): number {
  return Object.values(offsets).reduce((total, offset) => total + offset, 0)
}
