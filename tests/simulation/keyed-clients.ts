import type { Random } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import { batchesIn, compressions, lastOffsetOf, readInt64 } from '../../src/protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../../src/protocol/records/record.js'
import type { AppendOutcome, ReadResult, TopicId, TopicOutcome } from '../../src/state/cluster.js'
import { ConnectionLost } from './connection.js'
import type { World } from './world.js'

const requestTimeoutMs = 3_000
const keys = 30
const tombstones = 0.2
/** By the clocks of processes, which differ by so much at most, milliseconds. */
const skewMs = 10_000

/** What the compacted topics are like. */
export const keyedConfigs: readonly Readonly<Record<string, string>>[] = [
  { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.2', 'delete.retention.ms': '120000' },
  {
    'cleanup.policy': 'compact,delete',
    'min.cleanable.dirty.ratio': '0.01',
    'delete.retention.ms': '90000',
    'retention.ms': '40000',
  },
  {
    'cleanup.policy': 'compact',
    'min.cleanable.dirty.ratio': '0.5',
    'min.compaction.lag.ms': '25000',
    'delete.retention.ms': '60000',
  },
]

interface Acknowledged {
  offset: number
  isTombstone: boolean
  timestampMs: number
}

/** A compacted topic of one partition, and what its clients know of it. */
export class KeyedTopic {
  readonly name: string
  readonly configs: Readonly<Record<string, string>>
  id: TopicId | undefined
  /** The last acknowledged record of each key. */
  readonly last = new Map<string, Acknowledged>()

  constructor(name: string, configs: Readonly<Record<string, string>>) {
    this.name = name
    this.configs = configs
  }

  /** Whether records of that time may be gone, whatever their key. */
  mayBeDeleted(timestampMs: number, wallMs: number): boolean {
    const retentionMs = this.configs['retention.ms']
    return retentionMs !== undefined && timestampMs < wallMs - Number(retentionMs) + skewMs
  }
}

/** Makes the topic, then writes records of few keys until the world ends. */
export async function writeKeyed(world: World, topic: KeyedTopic, who: string, random: Random): Promise<void> {
  for (let sent = 0; !world.isEnding; sent++) {
    await world.clock.sleep(random.next() * 2 * world.options.producerPauseMs)
    try {
      if (topic.id === undefined) await create(world, topic, random)
      else await write(world, topic, topic.id, `${who}.${sent}`, random)
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
    }
  }
}

async function create(world: World, topic: KeyedTopic, random: Random): Promise<void> {
  const { name } = topic
  const configs = new Map(Object.entries(topic.configs))
  const connection = world.mustConnect(random)
  const created = await connection.call<TopicOutcome | undefined>(
    ({ cluster }) => cluster.topics.create({ name, partitionCount: 1, configs }).catch(() => undefined),
    requestTimeoutMs,
  )
  connection.close()
  topic.id ??= created?.topic?.id
}

async function write(world: World, topic: KeyedTopic, id: TopicId, name: string, random: Random): Promise<void> {
  const timestampMs = world.wallClock()
  const records = Array.from({ length: 1 + Math.floor(random.next() * 4) }, (_, i) => ({
    timestampMs: timestampMs + i,
    key: Buffer.from(`key ${Math.floor(random.next() ** 2 * keys)}`),
    value: random.next() < tombstones ? null : Buffer.from(`${name}.${i} ${'x'.repeat(200 * random.next())}`),
    headers: [],
  }))
  const compression = compressions[Math.floor(random.next() * compressions.length)] ?? 'none'
  const batch = encodeBatch({ records, compression })
  const connection = world.mustConnect(random)
  const outcomes = await connection.call<AppendOutcome[]>(
    ({ cluster }) => cluster.logs.append([{ topicId: id, partition: 0, batch }]).catch(() => []),
    requestTimeoutMs,
  )
  connection.close()
  const [outcome] = outcomes
  // Whether it landed nobody knows; the ledger does.
  if (outcome === undefined) return
  if (outcome.errorCode !== ErrorCode.NONE) {
    world.history.violation('refused', `${name} was answered ${outcome.errorCode}`)
    return
  }
  for (const [index, { key, value, timestampMs }] of records.entries()) {
    const offset = outcome.baseOffset + index
    world.history.observe(id, 0, offset, textOf(key, value), name)
    const last = topic.last.get(`${key}`)
    if ((last?.offset ?? -1) < offset) topic.last.set(`${key}`, { offset, isTombstone: value === null, timestampMs })
  }
}

/** Reads the topic from its start to its end, again and again, through one instance after the other. */
export async function readKeyed(world: World, topic: KeyedTopic, who: string, random: Random): Promise<void> {
  while (!world.isEnding) {
    await world.clock.sleep(random.next() * 4_000)
    try {
      if (topic.id !== undefined) await readAll(world, topic, topic.id, who, random)
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
    }
  }
}

async function readAll(world: World, topic: KeyedTopic, id: TopicId, who: string, random: Random): Promise<void> {
  const { history } = world
  const lastBefore = new Map(topic.last)
  const connection = world.mustConnect(random)
  const ends = await connection.call(
    ({ cluster }) =>
      cluster.barrier().then(
        () => cluster.logs.offsets(id, 0),
        () => undefined,
      ),
    requestTimeoutMs,
  )
  if (ends === undefined) return connection.close()
  const found = new Map<string, number>()
  let last = -1
  for (let next = ends.logStartOffset; next < ends.highWatermark; ) {
    const read = await connection.call<ReadResult | undefined>(
      ({ cluster }) => cluster.logs.read(id, 0, next, { bytesMax: 2_000 }).catch(() => undefined),
      requestTimeoutMs,
    )
    if (read === undefined || read.batches.length === 0) return connection.close()
    for (const batch of batchesIn(Buffer.concat(read.batches))) {
      for (const { offset, key, value } of decodeRecords(batch)) {
        if (offset < next) continue
        if (offset <= last) history.violation('reorder', `${who} was given ${offset} after ${last} of ${topic.name}`)
        last = offset
        history.observe(id, 0, offset, textOf(key, value), who)
        found.set(`${key}`, offset)
      }
      if (lastOffsetOf(batch) < readInt64(batch, 0)) history.violation('reorder', `a batch of ${topic.name} ends early`)
      next = Math.max(next, lastOffsetOf(batch) + 1)
    }
    // Somebody who takes their time: the log is cleaned meanwhile.
    await world.clock.sleep(random.next() * 200)
  }
  connection.close()
  const wallMs = world.wallClock()
  for (const [key, { offset, isTombstone, timestampMs }] of lastBefore) {
    const at = found.get(key)
    if (at !== undefined ? at >= offset : isTombstone || topic.mayBeDeleted(timestampMs, wallMs)) continue
    // It may have made room for a later one while this was read.
    if ((topic.last.get(key)?.offset ?? -1) > offset) continue
    history.violation('lost record', `${key} of ${topic.name} was acknowledged at ${offset}, ${who} found it at ${at}`)
  }
}

const textOf = (key: Buffer | null, value: Buffer | null) => `${key}=${value}`
