import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { type Clock, systemClock } from '../../src/base/clock.js'
import { UnavailableError } from '../../src/base/errors.js'
import { silentLog } from '../../src/base/log.js'
import { seededRandom } from '../../src/base/random.js'
import { noObserver } from '../../src/pipeline/observer.js'
import { parsePipelines } from '../../src/pipeline/spec.js'
import { startPipelines } from '../../src/pipeline/start.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import { batchesIn, lastOffsetOf, patchInPlace } from '../../src/protocol/records/batch.js'
import { type DecodedRecord, decodeRecords, encodeBatch } from '../../src/protocol/records/record.js'
import type { Cluster, CommittedOffset, Lease, Topic } from '../../src/state/cluster.js'

/** What a record needs to be produced in a test. */
export interface Produced {
  key?: string | null
  value?: unknown
  headers?: Record<string, string>
  timestampMs?: number
}

/** A cluster in memory with what pipelines use of one, and with handles to make it fail. */
export interface ClusterDouble extends Cluster {
  createTopic(name: string, partitionCount: number, configs?: ReadonlyMap<string, string>): Topic
  removeTopic(name: string): void
  /** Appends one batch. Values that are no Buffer are written as JSON; `undefined` is a record without a value. */
  produce(topic: string, partition: number, records: readonly Produced[]): void
  appendBatch(topic: string, partition: number, batch: Buffer): void
  records(topic: string, partition?: number): DecodedRecord[]
  committedOffsets(group: string, topic: string): Record<number, number>
  truncate(topic: string, partition: number, offset: number): void
  /** The holder loses the lease, the next one in line gets it. */
  expire(lease: string): void
  holders(lease: string): number
  /** Errors that the next appends to a topic end with. */
  failAppends(topic: string, errorCodes: number[]): void
  failReads(times: number): void
}

interface Log {
  start: number
  end: number
  batches: Buffer[]
}

export function clusterDouble(): ClusterDouble {
  const topics = new Map<string, Topic>()
  const logs = new Map<string, Log>()
  const watchers = new Set<{ id: string; wake: () => void }>()
  const offsets = new Map<string, CommittedOffset>()
  const leases = new Map<
    string,
    { holder: { lease: Lease; abort: AbortController } | undefined; queue: (() => void)[] }
  >()
  const appendErrors = new Map<string, number[]>()
  let readFailures = 0
  let serial = 0

  const logOf = (topicId: string, partition: number) => logs.get(`${topicId}/${partition}`)
  const append = (topicId: string, partition: number, batch: Buffer) => {
    const log = logOf(topicId, partition)
    if (log === undefined) return -1
    const own = Buffer.from(batch)
    patchInPlace(own, 0, log.end, 0)
    const base = log.end
    log.end = lastOffsetOf(own) + 1
    log.batches.push(own)
    for (const { id, wake } of watchers) if (id === `${topicId}/${partition}`) wake()
    return base
  }
  const addPartitions = (id: string, from: number, to: number) => {
    for (let partition = from; partition < to; partition++)
      logs.set(`${id}/${partition}`, { start: 0, end: 0, batches: [] })
  }
  const createTopic = (
    name: string,
    partitionCount: number,
    configs: ReadonlyMap<string, string> = new Map(),
  ): Topic => {
    serial++
    const topic = { name, id: `id-${serial}`, partitionCount, configs, createdAtMs: 0 }
    topics.set(name, topic)
    addPartitions(topic.id, 0, partitionCount)
    return topic
  }
  const named = (name: string): Topic => {
    const topic = topics.get(name)
    assert.ok(topic, `no topic ${name}`)
    return topic
  }
  const leaseState = (name: string) => {
    const state = leases.get(name) ?? { holder: undefined, queue: [] }
    leases.set(name, state)
    return state
  }
  const letGo = (name: string, lease: Lease) => {
    const state = leaseState(name)
    if (state.holder?.lease !== lease) return
    state.holder.abort.abort(new Error('lease lost'))
    state.holder = undefined
    state.queue.shift()?.()
  }
  const grant = (name: string): Lease => {
    const abort = new AbortController()
    serial++
    const lease: Lease = {
      name,
      term: serial,
      signal: abort.signal,
      async release() {
        letGo(name, lease)
      },
    }
    leaseState(name).holder = { lease, abort }
    return lease
  }

  return {
    clusterId: 'double',
    topics: {
      byName: (name) => topics.get(name),
      byId: (id) => [...topics.values()].find((topic) => topic.id === id),
      all: () => topics.values(),
      async create({ name, partitionCount }) {
        const existing = topics.get(name)
        if (existing !== undefined) return { errorCode: ErrorCode.TOPIC_ALREADY_EXISTS, topic: existing }
        return { errorCode: ErrorCode.NONE, topic: createTopic(name, partitionCount) }
      },
      async delete(id) {
        for (const [name, topic] of topics) if (topic.id === id) topics.delete(name)
        return { errorCode: ErrorCode.NONE }
      },
      async createPartitions(id, partitionCount) {
        const topic = [...topics.values()].find((candidate) => candidate.id === id)
        assert.ok(topic)
        addPartitions(id, topic.partitionCount, partitionCount)
        topics.set(topic.name, { ...topic, partitionCount })
        return { errorCode: ErrorCode.NONE }
      },
      async barrier() {},
    },
    logs: {
      async append(batches) {
        return batches.map(({ topicId, partition, batch }) => {
          const name = [...topics.values()].find(({ id }) => id === topicId)?.name ?? ''
          const errorCode = appendErrors.get(name)?.shift() ?? ErrorCode.NONE
          if (errorCode !== ErrorCode.NONE)
            return { errorCode: errorCode as ErrorCode, baseOffset: -1, logStartOffset: -1 }
          return { errorCode: ErrorCode.NONE, baseOffset: append(topicId, partition, batch), logStartOffset: 0 }
        })
      },
      offsets(topicId, partition) {
        const log = logOf(topicId, partition)
        const known = [...topics.values()].some(({ id }) => id === topicId)
        if (log === undefined || !known) return undefined
        return { logStartOffset: log.start, highWatermark: log.end, lastStableOffset: log.end }
      },
      available: (topicId, partition, offset) => (logOf(topicId, partition)?.end ?? 0) - offset,
      live(topicId, partition) {
        const offsets = this.offsets(topicId, partition)
        return offsets && { ...offsets, isGone: false }
      },
      reading() {
        return { read: (...wanted) => this.read(...wanted), release() {} }
      },
      async read(topicId, partition, offset, { bytesMax }) {
        if (readFailures > 0) {
          readFailures--
          throw new UnavailableError('the store is away')
        }
        const found: Buffer[] = []
        let bytes = 0
        for (const batch of logOf(topicId, partition)?.batches ?? []) {
          if (lastOffsetOf(batch) < offset) continue
          if (found.length > 0 && bytes + batch.length > bytesMax) break
          found.push(batch)
          bytes += batch.length
        }
        return { batches: found, bytes, release() {} }
      },
      async deleteRecords() {
        return { errorCode: ErrorCode.NONE, logStartOffset: 0 }
      },
      watch(partitions, wake) {
        const own = partitions.map(({ topicId, partition }) => ({ id: `${topicId}/${partition}`, wake }))
        for (const watcher of own) watchers.add(watcher)
        return () => {
          for (const watcher of own) watchers.delete(watcher)
        }
      },
      offsetForTime: async () => undefined,
      offsetOfMaxTimestamp: async () => undefined,
    },
    producers: {
      init: async () => ({ errorCode: ErrorCode.NONE, producerId: 1, producerEpoch: 0 }),
    },
    leases: {
      async acquire(name, signal) {
        const state = leaseState(name)
        while (state.holder !== undefined) {
          await new Promise<void>((resolve, reject) => {
            state.queue.push(resolve)
            signal.addEventListener('abort', () => {
              state.queue = state.queue.filter((waiting) => waiting !== resolve)
              reject(signal.reason)
            })
          })
        }
        signal.throwIfAborted()
        return grant(name)
      },
    },
    pipelineOffsets: {
      committed: async (group, topic, partition) => offsets.get(`${group}/${topic}/${partition}`),
      async commit(group, topic, positions, lease) {
        if (lease !== undefined && leaseState(lease.name).holder?.lease.term !== lease.term) return false
        for (const [partition, offset] of positions)
          offsets.set(`${group}/${topic}/${partition}`, { offset, leaderEpoch: 0, metadata: '', committedAtMs: 0 })
        return true
      },
    },
    async barrier() {},
    unhealthy: () => undefined,
    async close() {},

    createTopic,
    removeTopic(name) {
      const { id } = named(name)
      topics.delete(name)
      for (const watcher of watchers) if (watcher.id.startsWith(`${id}/`)) watcher.wake()
    },
    produce(topic, partition, records) {
      const batch = encodeBatch({
        records: records.map(({ key = null, value, headers = {}, timestampMs = 1000 }) => ({
          timestampMs,
          key: key === null ? null : Buffer.from(key),
          value: value === undefined ? null : Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value)),
          headers: Object.entries(headers).map(([name, text]) => ({ key: name, value: Buffer.from(text) })),
        })),
      })
      append(named(topic).id, partition, batch)
    },
    appendBatch(topic, partition, batch) {
      append(named(topic).id, partition, batch)
    },
    records(topic, partition) {
      const { id, partitionCount } = named(topic)
      const partitions = partition === undefined ? Array.from({ length: partitionCount }, (_, i) => i) : [partition]
      return partitions.flatMap((p) =>
        (logOf(id, p)?.batches ?? []).flatMap((batch) => [...batchesIn(batch)].flatMap((one) => decodeRecords(one))),
      )
    },
    committedOffsets(group, topic) {
      const found: Record<number, number> = {}
      for (const [key, { offset }] of offsets) {
        if (key.startsWith(`${group}/${topic}/`)) found[Number(key.split('/')[2])] = offset
      }
      return found
    },
    truncate(topic, partition, offset) {
      const log = logOf(named(topic).id, partition)
      assert.ok(log)
      log.start = offset
      log.batches = log.batches.filter((batch) => lastOffsetOf(batch) >= offset)
    },
    expire(name) {
      const { holder } = leaseState(name)
      assert.ok(holder, `nobody holds ${name}`)
      letGo(name, holder.lease)
    },
    holders: (name) => (leaseState(name).holder === undefined ? 0 : 1),
    failAppends(topic, errorCodes) {
      appendErrors.set(topic, errorCodes)
    },
    failReads(times) {
      readFailures = times
    },
  }
}

/** The machine's clock with waiting times cut to a fiftieth, so that retries and restarts don't slow the tests. */
export const hastyClock: Clock = {
  ...systemClock,
  after: (ms, task) => systemClock.after(ms / 50, task),
  sleep: (ms, signal) => systemClock.sleep(ms / 50, signal),
}

export interface RunningTest {
  /** What the `stdout` sinks wrote, line by line, parsed. */
  lines(): unknown[]
  status(): { name: string; state: string; reason?: string }[]
  close(): Promise<void>
}

/** Starts pipelines, given as `config.toml` would have them, on a double. */
export function startOn(cluster: Cluster, pipelines: unknown[], observer = noObserver): RunningTest {
  const stdout = new PassThrough()
  let text = ''
  stdout.on('data', (chunk) => {
    text += chunk
  })
  const running = startPipelines(parsePipelines(pipelines), {
    cluster,
    clock: hastyClock,
    random: seededRandom(1),
    log: silentLog(),
    observer,
    stdout,
  })
  return {
    lines: () => text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)])),
    status: () => running.status(),
    close: () => running.close(),
  }
}

/** Waits until the condition holds, looking every few milliseconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = systemClock.monotonic() + 10_000
  while (!condition()) {
    assert.ok(systemClock.monotonic() < deadline, `timed out waiting until ${what}`)
    await systemClock.sleep(5)
  }
}
