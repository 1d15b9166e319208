import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { RecordKind, recordHeaderBytes } from '../../src/state/store/journal/record.js'
import { externalBootstrap, type Gateway, startGateway } from './gateway.js'
import { ledger } from './ledger-command.js'
import { storages } from './storages.js'

/** `heraclitus ledger verify` and `copy`, on stores that real gateways are at work on. */

const skip = externalBootstrap ? 'it looks into the store' : false
const topic = 'orders'
const partitions = 3
/** Upkeep as often as may be. */
const busy = {
  HERACLITUS_STORAGE_SNAPSHOT_ENTRIES: '40',
  HERACLITUS_STORAGE_COMPACT_INTERVAL_MS: '1000',
  HERACLITUS_STORAGE_COMPACT_AGE_MS: '1000',
}

/** What `verify --json` says of a store that is to be sound. */
async function soundly(storage: string, env: Record<string, string>, ...more: string[]) {
  const { code, out, err } = await ledger(['verify', '--storage', storage, '--json', ...more], env)
  assert.equal(code, 0, `${out}${err}`)
  assert.doesNotMatch(err, /heraclitus/)
  return JSON.parse(out) as {
    isSound: boolean
    ledgers: { lastSequence: number }[]
    logs: { records: number }
    objects: object
  }
}

const client = (gateway: Gateway) =>
  new Kafka({ brokers: [gateway.bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 2 } })

/** Producers on the gateways, until they are stopped or fail. */
function load(gateways: readonly Gateway[], acknowledged: string[]): () => Promise<void> {
  let isStopped = false
  const running = gateways.map(async (gateway, at) => {
    const producer = client(gateway).producer({ allowAutoTopicCreation: false })
    try {
      await producer.connect()
      for (let i = 0; !isStopped; i++) {
        const values = Array.from({ length: 20 }, (_, j) => `${gateway.pid} ${at} ${i} ${j} ${'.'.repeat(100)}`)
        const messages = values.map((value, j) => ({ value, partition: j % partitions }))
        await producer.send({ topic, messages, acks: -1 })
        acknowledged.push(...values)
        await sleep(5)
      }
    } catch {
      // Killed: what was not acknowledged counts for nothing.
    } finally {
      await producer.disconnect().catch(() => undefined)
    }
  })
  return async () => {
    isStopped = true
    await Promise.all(running)
  }
}

/** All records of the topic: partition and offset, and the value. */
async function consumed(gateway: Gateway): Promise<Map<string, string>> {
  const kafka = client(gateway)
  const admin = kafka.admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  const total = ends.reduce((sum, { offset }) => sum + Number(offset), 0)
  const found = new Map<string, string>()
  const consumer = kafka.consumer({ groupId: `readers-${gateway.pid}`, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachBatch: async ({ batch }) => {
      for (const { offset, value } of batch.messages) found.set(`${batch.partition}/${offset}`, `${value}`)
    },
  })
  for (const deadline = Date.now() + 60_000; found.size < total && Date.now() < deadline; ) await sleep(50)
  await consumer.disconnect()
  assert.equal(found.size, total)
  return found
}

for (const kind of storages)
  describe(`the ledger's commands on ${kind.name}`, { skip: skip || kind.skip, concurrency: false }, () => {
    let storage: string
    let env: Record<string, string>
    let remove: () => Promise<void>
    let folder: string
    const gateways: Gateway[] = []
    const acknowledged: string[] = []

    const start = async (url = storage) => {
      const gateway = await startGateway({ storage: url, env: { ...busy, ...env } })
      gateways.push(gateway)
      return gateway
    }
    before(async () => {
      const made = await kind.make()
      storage = made.options.storage ?? ''
      env = made.options.env ?? {}
      remove = made.remove
      folder = await mkdtemp(join(tmpdir(), 'heraclitus-ledger-commands-'))
    })
    after(async () => {
      for (const gateway of gateways) await gateway.kill()
      await remove()
      await rm(folder, { recursive: true, force: true })
    })

    test('a store is sound while two instances write to it, and after they were killed', async () => {
      const two = [await start(), await start()] as const
      const admin = client(two[0]).admin()
      await admin.connect()
      await admin.createTopics({ topics: [{ topic, numPartitions: partitions }] })
      await admin.disconnect()
      const stop = load(two, acknowledged)
      let last = 0
      for (const quick of [[], ['--quick'], []]) {
        await sleep(1_000)
        const { ledgers } = await soundly(storage, env, ...quick)
        const { lastSequence = 0 } = ledgers[0] ?? {}
        assert.ok(lastSequence > last)
        last = lastSequence
      }
      // How fast they write is the machine's affair; that there is something to lose is this test's.
      for (const deadline = Date.now() + 60_000; acknowledged.length <= 1_000 && Date.now() < deadline; )
        await sleep(50)
      for (const gateway of two) await gateway.kill()
      await stop()
      const { logs } = await soundly(storage, env)
      assert.ok(logs.records >= acknowledged.length, `${logs.records} records, ${acknowledged.length} acknowledged`)
      assert.ok(acknowledged.length > 1_000, `${acknowledged.length} acknowledged`)
    })

    test('a copy, made while instances write, serves all that was acknowledged when it began', async () => {
      const source = await start()
      const stop = load([source], acknowledged)
      await sleep(1_000)
      const before = [...acknowledged]
      // From a directory to the bucket, or the other way.
      const to = kind.name === 'a directory' ? `file:${folder}/copy` : `${storage}-copy`
      const middle = kind.name === 'a directory' ? to : `file:${folder}/copy`
      const { code, out, err } = await ledger(['copy', '--from', storage, '--to', middle], env)
      assert.equal(code, 0, `${out}${err}`)
      assert.match(out, /^complete +as it was after entry \d+$/m)
      if (middle !== to) {
        const back = await ledger(['copy', '--from', middle, '--to', to, '--json'], env)
        assert.equal(back.code, 0, back.err)
        assert.ok(JSON.parse(back.out).copied.objects > 0)
      }
      await soundly(to, env)
      await stop()

      const [original, copied] = [await consumed(source), await consumed(await start(to))]
      const values = new Set(copied.values())
      assert.deepEqual(
        before.filter((value) => !values.has(value)),
        [],
      )
      for (const [place, value] of copied) assert.equal(original.get(place), value, place)
      await soundly(to, env)
      const again = await ledger(['copy', '--from', storage, '--to', to], env)
      assert.equal(again.code, 1)
      assert.match(again.err, /^heraclitus: .* holds this cluster already, complete/m)
    })

    if (kind.name === 'a directory')
      test('damage is on standard output, an object a line, and the exit code is 1', async () => {
        for (const gateway of gateways) await gateway.kill()
        const directory = storage.slice('file:'.length)
        // Which of them are still referred to is not to be seen from here.
        const names = await readdir(`${directory}/segments`, { recursive: true })
        const segments = names.filter((name) => /\/\d+-\d+$/.test(name)).map((name) => `segments/${name}`)
        for (const segment of segments) {
          const bytes = await readFile(`${directory}/${segment}`)
          bytes[100] = (bytes[100] as number) ^ 1
          await rm(`${directory}/${segment}`)
          await writeFile(`${directory}/${segment}`, bytes)
        }
        await damageLastEntry(`${directory}/journal/ledger/0`)
        const { code, out, err } = await ledger(['verify', '--storage', storage])
        assert.equal(code, 1, err)
        const damages = out.split('\n').filter((line) => line.startsWith('CORRUPT'))
        assert.match(out, /^DAMAGED: \d+ found$/m, out + err)
        assert.ok(
          damages.some((line) => /ledger\/0\/\d{20}: .*is not what was written/.test(line)),
          out,
        )
        const inSegments = damages.filter((line) => segments.some((segment) => line.startsWith(`CORRUPT ${segment}: `)))
        assert.ok(inSegments.length > 0, out)
        for (const line of inSegments)
          assert.match(line, /checksum .* is wrong \(topic orders, partition \d, offsets \d+ to/)
      })
  })

/** Changes a byte of the last object in the last file of a journal. */
async function damageLastEntry(folder: string): Promise<void> {
  const [last] = (await readdir(folder)).filter((name) => name.endsWith('.journal')).sort((a, b) => (a < b ? 1 : -1))
  const bytes = await readFile(`${folder}/${last}`)
  const mark = bytes.subarray(8, 16)
  let record = bytes.lastIndexOf(mark)
  while (bytes[record + 8] !== RecordKind.object) record = bytes.lastIndexOf(mark, record - 1)
  const at = record + recordHeaderBytes + 10
  bytes[at] = (bytes[at] as number) ^ 1
  await writeFile(`${folder}/${last}`, bytes)
}
