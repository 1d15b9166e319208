import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { batchesIn } from '../../src/protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../../src/protocol/records/record.js'
import { pack } from '../../src/state/ledger/entry.js'
import { decodeSegment } from '../../src/state/log/segment.js'
import type { ClusterSettings, OpenCluster } from '../../src/state/open-cluster.js'
import { toSnapshot } from '../../src/state/views/state.js'
import { FaultyInstances } from './faulty-instances.js'

/** A week in small: a day of this one lasts an hour, and what else takes time is shorter by as much. */
const second = 1_000
const minute = 60 * second
const day = 60 * minute
const days = 7
const partitions = 4
const settings: ClusterSettings = {
  flushIntervalMs: 0,
  flushBytes: 2 ** 20,
  maxInflightEntries: 4,
  waitingBytesMax: 2 ** 24,
  pollIntervalMs: 500,
  snapshotEntries: 20,
  cacheBytes: 2 ** 16,
  segmentBytes: 32 * 1024,
  compactIntervalMs: 15 * second,
  compactAgeMs: 2 * minute,
  trimGraceMs: 3 * minute,
}

/** How much there is at the end of a day. */
interface Size {
  objects: number
  bytes: number
  entries: number
  lanes: number
  segments: number
  ranges: number
  snapshotBytes: number
}

/** What a day may have more than another by chance: up to a grace period's entries, and ranges not yet compacted. */
const slack: Size = {
  objects: 50,
  bytes: 50_000,
  entries: 50,
  lanes: 10,
  segments: 10,
  ranges: 80,
  snapshotBytes: 5_000,
}

class Week extends FaultyInstances {
  /** Of each partition the values that were acknowledged, by their offsets. */
  readonly acknowledged = Array.from({ length: partitions }, () => new Map<number, string>())
  crashes = 0

  constructor() {
    super(7, { settings })
  }

  /** Every acknowledged record from the log start on stands where it was acknowledged, and there are no gaps. */
  async check(cluster: OpenCluster, topicId: string, partition: number): Promise<void> {
    if ((await this.await(cluster.barrier().then(() => true))) === undefined) return
    const offsets = cluster.logs.offsets(topicId, partition)
    for (let next = offsets?.logStartOffset ?? 0; next < (offsets?.highWatermark ?? 0); ) {
      const read = await this.await(cluster.logs.read(topicId, partition, next, { bytesMax: 20_000 }))
      const records = [...batchesIn(Buffer.concat(read?.batches ?? []))].flatMap((batch) => decodeRecords(batch))
      for (const { offset, value } of records) {
        if (offset < next) continue
        if (offset !== next) this.problems.push(`offset ${offset} of ${partition} follows ${next - 1}`)
        next = offset + 1
        const expected = this.acknowledged[partition]?.get(offset)
        if (expected !== undefined && expected !== `${value}`) this.problems.push(`${expected} became ${value}`)
      }
      // Retention went on meanwhile, or the store failed for too long: another check comes.
      if (records.length === 0) return
    }
  }

  size(cluster: OpenCluster | undefined): Size {
    const keys = this.bucket.sortedKeys()
    const count = (prefix: string) => keys.filter((key) => key.startsWith(prefix)).length
    const { state } = cluster?.proposer ?? assert.fail('nobody is up')
    let bytes = 0
    for (const object of this.bucket.objects.values()) bytes += object.length
    let ranges = 0
    for (const topic of state.topics.all())
      for (const log of state.partitions.ofTopic(topic.id)) ranges += log.ranges.length
    return {
      objects: keys.length,
      bytes,
      entries: count('ledger/'),
      lanes: count('lanes/'),
      segments: count('segments/'),
      ranges,
      snapshotBytes: pack(toSnapshot(state)).length,
    }
  }
}

/** Writes for a week with a day's retention, while instances crash, and measures the store each evening. */
async function live(context: TestContext): Promise<{ week: Week; sizes: Size[] }> {
  const week = new Week()
  const { clock, random, instances } = week
  instances.push(week.start(), week.start())
  await clock.run(minute, () => instances.every(({ cluster }) => cluster !== undefined))
  const configs = new Map([['retention.ms', String(day)]])
  const created = await week.await(
    instances[0]?.cluster?.topics.create({ name: 'topic', partitionCount: partitions, configs }) ?? assert.fail(),
  )
  const topicId = created?.topic?.id ?? assert.fail('the topic was not created')
  const sizes: Size[] = []
  const begin = clock.monotonic()
  let sent = 0
  for (let now = 0; now < days * day; now = clock.monotonic() - begin) {
    const partition = Math.floor(random.next() ** 2 * partitions)
    const value = `${sent++}-${'x'.repeat(200 * random.next())}`
    const record = { timestampMs: clock.now(), key: null, value: Buffer.from(value), headers: [] }
    const appended = week.any()?.logs.append([{ topicId, partition, batch: encodeBatch({ records: [record] }) }])
    const outcomes = await week.await(appended ?? Promise.resolve([]))
    const [outcome] = outcomes ?? []
    if (outcome?.errorCode === 0) week.acknowledged[partition]?.set(outcome.baseOffset, value)
    await clock.run(clock.monotonic() + 6 * second * random.next())
    const cluster = week.any()
    if (sent % 50 === 0 && cluster !== undefined) await week.check(cluster, topicId, partition)
    if (sent % 700 === 0) {
      week.crashes++
      const slot = Math.floor(random.next() * instances.length)
      instances[slot]?.process.crash()
      instances[slot] = week.start()
    }
    if (Math.floor((clock.monotonic() - begin) / day) > sizes.length) {
      sizes.push(week.size(week.any()))
      context.diagnostic(`day ${sizes.length}: ${JSON.stringify(sizes.at(-1))}`)
    }
  }
  return { week, sizes }
}

test('after a week of traffic with a day of retention there is no more than after two days', async (context) => {
  const { week, sizes } = await live(context)
  assert.deepEqual(week.problems, [])
  assert.ok(week.crashes >= 6, `${week.crashes} crashes`)
  const [, second] = sizes as [Size, Size]
  for (const [index, later] of sizes.slice(2).entries())
    for (const [measure, more] of Object.entries(slack) as [keyof Size, number][])
      assert.ok(
        later[measure] < second[measure] * 1.3 + more,
        `${measure} went from ${second[measure]} on day 2 to ${later[measure]} on day ${index + 3}`,
      )
  // They don't wait for retention: what is still wanted of them has moved.
  for (const { entries, ranges } of sizes)
    assert.ok(entries < 300 && ranges < 150, `${entries} entries, ${ranges} ranges`)
  for (const [key, object] of week.bucket.objects) if (key.startsWith('segments/')) decodeSegment(object, key)
  const later = week.start()
  await week.clock.run(week.clock.monotonic() + minute, () => later.cluster !== undefined)
  const topicId = [...(later.cluster?.topics.all() ?? [])][0]?.id ?? assert.fail()
  for (let partition = 0; partition < partitions; partition++)
    await week.check(later.cluster ?? assert.fail(), topicId, partition)
  assert.deepEqual(week.problems, [])
})
