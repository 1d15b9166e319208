import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoredCluster } from '../../../tests/support/stored-cluster.js'
import { systemClock } from '../../base/clock.js'
import { CorruptObjectError } from '../../base/errors.js'
import { seededRandom } from '../../base/random.js'
import { encodeHead } from '../ledger/entry.js'
import { entryKey, laneKey, objectKey, probeKey, snapshotKey, writerKey } from '../ledger/keys.js'
import { decodeSnapshot, encodeSnapshot } from '../ledger/snapshot-bytes.js'
import { RangesByObject } from '../log/ranges-by-object.js'
import { byBytes } from '../store/keys.js'
import { MemoryBucket } from '../store/memory.js'
import type { ObjectStore } from '../store/object-store.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Damage } from './findings.js'
import { type Verification, type VerifiedLedger, verifyCluster } from './verify.js'

const made = new StoredCluster()
const filled = await made.fill()

/** A copy of the cluster in the bucket, to be damaged. */
function copied(): StoredCluster {
  const bucket = new MemoryBucket()
  for (const [key, object] of made.bucket.objects) bucket.add(key, Buffer.from(object))
  return new StoredCluster(bucket)
}

async function verified(world: StoredCluster, isQuick = false, store = world.store): Promise<Verification> {
  const { signal } = new AbortController()
  const found = await world.await(verifyCluster({ store, clock: world.clock, isQuick, signal }))
  assert.ok(found)
  assert.equal(found.isSound, found.damageCount === 0)
  return found
}

const sound = await verified(copied())
const [order] = sound.ledgers as [VerifiedLedger]
const last = order.lastSequence
const [oldest, middle, newest] = order.snapshots as [number, number, number]

/** Changes a byte of an object, counted from its end if negative. */
function flip(world: StoredCluster, key: string, at: number): void {
  const object = world.bucket.objects.get(key)
  assert.ok(object, key)
  const position = at < 0 ? object.length + at : at
  object[position] = (object[position] as number) ^ 0x40
}

/** Verifies a damaged copy, in full and quickly; both find the same damage, or quickly none. */
async function damaged(damage: (world: StoredCluster) => void, quickly: 'too' | 'not' = 'too'): Promise<Damage[]> {
  const world = copied()
  damage(world)
  const { damages } = await verified(world)
  assert.deepEqual((await verified(world, true)).damages, quickly === 'too' ? damages : [])
  return damages
}

/** A range that lies in a segment, in an entry that all snapshots cover, or in a lane; some partition's last such. */
async function rangeIn(kind: 'segment' | 'entry' | 'lane') {
  const key = snapshotKey(0, newest)
  const { state } = decodeSnapshot(made.bucket.objects.get(key) as Buffer, key)
  for (const log of [...state.partitions.ofTopic(filled.id)]) {
    const ranges = Array.from({ length: log.ranges.length }, (_, i) => log.ranges.at(i))
    const range = ranges.findLast(({ writer, number }) => {
      if (kind === 'entry') return writer === 0 && number <= oldest
      return kind === 'segment' ? writer < 0 : writer > 0
    })
    if (range !== undefined) return { log, range, key: objectKey(0, log.topicId, log.partition, range) }
  }
  throw new Error(`no range in a ${kind}`)
}

function where({ log, range }: { log: PartitionLog; range: { baseOffset: number; endOffset: number } }) {
  return { topic: 'orders', partition: log.partition, offset: range.baseOffset, endOffset: range.endOffset }
}

test('a cluster that stopped is sound, and all of it is looked at', async () => {
  assert.deepEqual(sound.damages, [])
  assert.equal(sound.logs.records, filled.values.flat().length)
  assert.equal(sound.recordBytes, sound.logs.bytes)
  assert.deepEqual(sound.logs, { topics: 1, partitions: 3, records: 300, bytes: sound.recordBytes })
  assert.equal(order.entries, last - oldest)
  assert.equal(order.unorderedEntries, 0)
  assert.equal(sound.objects.objects, made.bucket.objects.size)
  assert.ok(sound.collectable.objects > 0)
  const quick = await verified(copied(), true)
  assert.deepEqual(quick, sound)
})

test('nothing is written, and a store without a cluster is said to be none', async () => {
  const { store } = copied()
  const readOnly: ObjectStore = {
    ...store,
    putIfAbsent: () => assert.fail('a put'),
    delete: () => assert.fail('a deletion'),
  }
  assert.ok((await verified(copied(), false, readOnly)).isSound)
  const { signal } = new AbortController()
  const empty = new StoredCluster().store
  assert.equal(await verifyCluster({ store: empty, clock: systemClock, isQuick: false, signal }), undefined)
})

test('a byte changed in the header of an entry is told, with its place', async () => {
  const key = entryKey(0, middle + 2)
  const damages = await damaged((world) => flip(world, key, 12))
  assert.deepEqual(damages, [{ key, problem: 'corrupt', message: 'the checksum of its header is wrong' }])
})

test('a damaged entry that an older snapshot covers is told too', async () => {
  const { key } = await rangeIn('entry')
  const damages = await damaged((world) => flip(world, key, 12))
  assert.deepEqual(damages, [{ key, problem: 'corrupt', message: 'the checksum of its header is wrong' }])
})

test('a byte changed in records, inline, in a lane or in a segment, is told with topic, partition and offset', async () => {
  for (const kind of ['entry', 'lane', 'segment'] as const) {
    const found = await rangeIn(kind)
    const at = found.range.position + found.range.length - 1
    const damages = await damaged((world) => flip(world, found.key, at), 'not')
    assert.equal(damages.length, 1, kind)
    const { message, ...rest } = damages[0] as Damage
    assert.deepEqual(rest, { key: found.key, problem: 'corrupt', ...where(found) })
    assert.match(message, /^the checksum of the record batch at offset \d+ is wrong$/)
  }
})

test('a damaged footer of a segment is told', async () => {
  const { key } = await rangeIn('segment')
  for (const [at, message] of [
    [-1, 'is not a segment'],
    [-20, 'the checksum of its index is wrong'],
  ] as const)
    assert.deepEqual(await damaged((world) => flip(world, key, at)), [{ key, problem: 'corrupt', message }])
})

test('an object that the store itself does not give, as damaged, is told with all that was in it', async () => {
  const { log, range, key } = await rangeIn('entry')
  const world = copied()
  const knowing: ObjectStore = {
    ...world.store,
    get: async (asked, range) => {
      if (asked === key) throw new CorruptObjectError('it is not what was written')
      return world.store.get(asked, range)
    },
  }
  const { damages } = await verified(world, false, knowing)
  const whole = { key, problem: 'corrupt', message: 'it is not what was written' }
  assert.deepEqual(damages[0], whole)
  const where = damages.filter((damage) => damage.partition === log.partition)
  assert.ok(where.some(({ offset, endOffset }) => (offset ?? 0) <= range.baseOffset && endOffset === range.endOffset))
  for (const { topic, partition, offset, endOffset, ...rest } of damages) assert.deepEqual(rest, whole)
  assert.deepEqual((await verified(world, true, knowing)).damages, [whole])
})

test('a missing segment, entry or lane object is told with all that was in it', async () => {
  for (const kind of ['segment', 'lane', 'entry'] as const) {
    const found = await rangeIn(kind)
    const damages = await damaged((world) => world.bucket.remove(found.key))
    const inIt = damages.filter(({ key }) => key === found.key)
    assert.deepEqual(damages, inIt)
    assert.ok(inIt.every(({ problem, message }) => problem === 'missing' && message === 'it is not there'))
    const { offset, endOffset } = inIt.find(({ partition }) => partition === found.log.partition) ?? {}
    assert.ok((offset ?? Number.NaN) <= found.range.baseOffset && (endOffset ?? 0) >= found.range.endOffset, kind)
  }
})

test('an object that was cut short is told', async () => {
  for (const kind of ['segment', 'lane', 'entry'] as const) {
    const found = await rangeIn(kind)
    const damages = await damaged((world) => {
      const object = world.bucket.objects.get(found.key) as Buffer
      world.bucket.objects.set(found.key, object.subarray(0, found.range.position + found.range.length - 1))
    })
    assert.ok(damages.length >= 2, kind)
    assert.ok(damages.every(({ key, problem }) => key === found.key && problem === 'corrupt'))
    assert.ok(damages.some(({ message, offset }) => /^it ends at byte/.test(message) && offset !== undefined))
  }
})

test('a missing entry is told, wherever it stood, and the rest is still looked at', async () => {
  const between = middle - 3
  const damages = await damaged((world) => world.bucket.remove(entryKey(0, between)))
  const message = 'the entry is not there, though what comes after it is'
  assert.deepEqual(damages[0], { key: entryKey(0, between), problem: 'missing', message })
  const many = await damaged((world) => {
    for (let entry = between; entry < between + 3; entry++) world.bucket.remove(entryKey(0, entry))
  })
  assert.match(many[0]?.message ?? '', new RegExp(`and so are all to entry ${between + 2}, though`))
})

test('a damaged snapshot is told, and the others do for the rest', async () => {
  for (const sequence of [oldest, middle, newest]) {
    const key = snapshotKey(0, sequence)
    const damages = await damaged((world) => flip(world, key, 40))
    assert.deepEqual(damages, [{ key, problem: 'corrupt', message: 'its checksum is wrong' }])
  }
})

test('a snapshot that says anything else than the entries before it is told', async () => {
  const key = snapshotKey(0, middle)
  const { state } = decodeSnapshot(made.bucket.objects.get(key) as Buffer, key)
  state.producers.nextProducerId++
  const { pieces } = await encodeSnapshot(state, middle, systemClock)
  const damages = await damaged((world) => world.bucket.objects.set(key, Buffer.concat(pieces)))
  const message = `it holds another state than the entries up to ${middle} come to`
  assert.deepEqual(damages, [{ key, problem: 'contradiction', message }])
})

test('a missing claim of a writer is told', async () => {
  const key = writerKey(0, 1)
  const [damage, ...more] = await damaged((world) => world.bucket.remove(key))
  assert.deepEqual([damage?.key, damage?.problem, more.length], [key, 'missing', 0])
})

/** Entries of a process that put them beyond a place that stayed empty. */
function addBeyond(world: StoredCluster, count: number, writer = 2): void {
  for (let i = 1; i <= count; i++) {
    const part = { writer, index: 10_000 + i, timeMs: 1, commands: Buffer.alloc(0), bodyLength: 0, lanePosition: 0 }
    world.bucket.add(entryKey(0, last + 1 + i), encodeHead(writer, [part]))
  }
}

test('what a dying process left beyond a place that it did not fill is no damage, but has its limit', async () => {
  const world = copied()
  addBeyond(world, 3)
  const found = await verified(world)
  const [found0] = found.ledgers
  assert.deepEqual([found.damages, found0?.lastSequence, found0?.unorderedEntries], [[], last, 3])
  const damages = await damaged((world) => addBeyond(world, 40))
  assert.deepEqual(damages.length, 1)
  assert.equal(damages[0]?.key, entryKey(0, last + 1))
})

test('orphans are listed with size and age: those that will be collected, and those that stay', async () => {
  const world = copied()
  const segment = `segments/${filled.id}/0/${'9'.repeat(15)}-2`.replace(/9{15}/, '0000000000000900')
  const lane = laneKey(0, 2, 99_999)
  const part = { writer: 2, index: 99_999, timeMs: 0, commands: Buffer.alloc(0), bodyLength: 0, lanePosition: 0 }
  world.bucket.add(segment, Buffer.from('an unfinished thought'))
  world.bucket.add(lane, encodeHead(2, [part]))
  const probe = `${probeKey(1, '00ff')}-race`
  world.bucket.add(probe, Buffer.from('0'))
  world.bucket.add('holiday.jpg', Buffer.alloc(1_000))
  const { isSound, orphans, orphanCount } = await verified(world)
  assert.ok(isSound)
  assert.equal(orphanCount.objects, sound.orphanCount.objects + 4)
  const found = (key: string) => orphans.find((orphan) => orphan.key === key)
  assert.deepEqual([found(segment)?.isCollected, found(segment)?.bytes, found(segment)?.isOlder], [true, 21, false])
  assert.equal(found(lane)?.isCollected, false)
  assert.ok((found(lane)?.ageMs ?? 0) >= world.clock.now() - 1_000)
  assert.match(found(lane)?.why ?? '', /never ordered/)
  assert.match(found(probe)?.why ?? '', /a start that died/)
  assert.equal(found(probe)?.isCollected, true)
  assert.deepEqual(found('holiday.jpg'), {
    key: 'holiday.jpg',
    bytes: 1_000,
    ageMs: undefined,
    isOlder: false,
    isCollected: false,
    why: 'no object of Heraclitus',
  })
})

test('whatever byte is changed, it is told, or does not matter', async () => {
  const random = seededRandom(11)
  const keys = made.keys('').filter((key) => /^(ledger|lanes|segments|snapshots)/.test(key))
  let told = 0
  for (let i = 0; i < 80; i++) {
    const world = copied()
    const key = keys[Math.floor(random.next() * keys.length)] as string
    const at = Math.floor(random.next() * (world.bucket.objects.get(key)?.length ?? 0))
    flip(world, key, at)
    const { isSound, damages } = await verified(world)
    if (!isSound) {
      told++
      assert.ok(damages.some((damage) => damage.key === key))
      continue
    }
    const reader = await world.open()
    for (const [partition, values] of filled.values.entries())
      assert.deepEqual(await world.values(reader, filled.id, partition), values, `${key} at byte ${at}`)
  }
  assert.ok(told > 20, `${told} told`)
})

test('while instances write, compact and collect, all is sound, though what was referred to is gone', async () => {
  const world = new StoredCluster()
  const { id } = await world.fill()
  const instance = await world.open()
  let isDone = false
  const work = async () => {
    for (let i = 0; !isDone; i++) {
      await world.append(instance, id, i % 3, `more ${i}`)
      await world.clock.sleep(30_000)
    }
  }
  const working = work()
  for (const isQuick of [false, true]) {
    let wentMeanwhile = 0
    let sequence = 0
    // The objects are listed while hours go by.
    const slow: ObjectStore = {
      ...world.store,
      async *list(prefix, options) {
        if (prefix !== '') return yield* world.store.list(prefix, options)
        const before = world.keys('')
        sequence = instance.cluster.ledgerSequence()
        let listed = 0
        for await (const object of world.store.list(prefix, options)) {
          if (listed++ % 10 === 0) await world.clock.sleep(20 * 60_000)
          yield object
        }
        wentMeanwhile = before.filter((key) => !world.bucket.objects.has(key)).length
      },
    }
    const { damages, ledgers } = await verified(world, isQuick, slow)
    assert.deepEqual(damages, [])
    assert.ok(wentMeanwhile > 10, `${wentMeanwhile} objects went`)
    assert.ok((ledgers[0]?.lastSequence ?? 0) > sequence + 100, 'what was suspect was judged by a newer state')
  }
  isDone = true
  await world.await(working)
  await world.await(instance.cluster.close())
})

test('ranges come by object in the order of a listing', async () => {
  const key = snapshotKey(0, newest)
  const { state } = decodeSnapshot(made.bucket.objects.get(key) as Buffer, key)
  const objects = [...new RangesByObject(state, 0).objects()]
  const keys = objects.map((object) => object.key)
  assert.deepEqual(keys, [...new Set(keys)].sort(byBytes))
  const held = objects.reduce((sum, { ranges }) => sum + ranges.length, 0)
  const all = state.partitions.ofTopic(filled.id).reduce((sum, log) => sum + log.ranges.length, 0)
  assert.equal(held, all)
  assert.deepEqual(
    [...new RangesByObject(state, 0).objects(keys[5])].map((object) => object.key),
    keys.slice(6),
  )
})
