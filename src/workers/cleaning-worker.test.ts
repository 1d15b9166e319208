import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { systemClock } from '../base/clock.js'
import { CorruptObjectError } from '../base/errors.js'
import type { Log } from '../base/log.js'
import { BatchPosition, type Compression, compressions } from '../protocol/records/batch.js'
import { encodeBatch } from '../protocol/records/record.js'
import type { CleanedRanges, OffsetRules } from '../state/log/cleaning-steps.js'
import { type CleaningWork, inlineCleaning } from '../state/log/cleaning-work.js'
import type { StoredRanges } from '../state/log/range-bytes.js'
import { CleaningWorker, type CleaningWorkerOptions } from './cleaning-worker.js'

const nowMs = 1_700_000_000_000
const never = new AbortController().signal
const keys = { bytesMax: 2 ** 20, keysMax: 1_000, from: 0 }

/** A worker, and what it told its observer and the log. */
function watched(t: TestContext, changed: Partial<CleaningWorkerOptions> = {}) {
  const told: string[] = []
  const line = (fields: { error: string }, text: string) => told.push(`log: ${text}: ${fields.error}`)
  const worker = new CleaningWorker({
    clock: systemClock,
    log: { warn: line, error: line } as unknown as Log,
    observer: {
      started: () => told.push('started'),
      ended: () => told.push('ended'),
      failed: (when) => told.push(`failed: ${when}`),
    },
    ...changed,
  })
  t.after(() => worker.close())
  return { worker, told }
}

interface Written {
  compression: Compression
  isTransactional: boolean
  isControl: boolean
  isDamaged: boolean
  records: { key: string | null; value: string | null }[]
}

/** A log in memory of its own: so many batches in each range, so many ranges in each piece. */
function logOf(batches: readonly Written[], inRange: number, inPiece: number): StoredRanges[] {
  let baseOffset = 0
  const ranges: { range: StoredRanges['ranges'][number]; bytes: Buffer }[] = []
  for (let at = 0; at < batches.length; at += inRange) {
    const first = baseOffset
    const encoded = batches.slice(at, at + inRange).map(({ records, isDamaged, ...batch }) => {
      const bytes = (text: string | null) => (text === null ? null : Buffer.from(text))
      const plain = records.map(({ key, value }) => ({ timestampMs: nowMs, key: bytes(key), value: bytes(value) }))
      const found = encodeBatch({ ...batch, baseOffset, records: plain.map((each) => ({ ...each, headers: [] })) })
      baseOffset += records.length
      // Its checksum is wrong then: such a batch is opaque.
      if (isDamaged) found[BatchPosition.crc] = (found[BatchPosition.crc] as number) ^ 1
      return found
    })
    const bytes = Buffer.concat(encoded)
    const place = { writer: -1, number: 1, position: 0, length: bytes.length, maxTimestampMs: nowMs }
    ranges.push({ range: { ...place, baseOffset: first, endOffset: baseOffset }, bytes })
  }
  return Array.from({ length: Math.ceil(ranges.length / inPiece) }, (_, piece) => {
    const together = ranges.slice(piece * inPiece, (piece + 1) * inPiece)
    const length = together.reduce((sum, { bytes }) => sum + bytes.length, 0)
    const bytes = Buffer.allocUnsafeSlow(length)
    Buffer.concat(together.map((each) => each.bytes)).copy(bytes)
    return { ranges: together.map(({ range }) => range), bytes }
  })
}

const rulesUpTo = (end: number, changed: Partial<OffsetRules> = {}): OffsetRules => ({
  firstDirtyOffset: 0,
  mapEnd: end,
  logStartOffset: 0,
  lastOffset: end - 1,
  nowMs,
  deleteRetentionMs: 60_000,
  ...changed,
})

/** A whole cleaning; nobody else sees the memory that it is given. */
async function clean(work: CleaningWork, log: StoredRanges[], bytesMax: number, changed: Partial<OffsetRules>) {
  const copies = () => log.map(({ ranges, bytes }) => ({ ranges, bytes: copyOf(bytes) }))
  const session = await work.begin({ ...keys, bytesMax }, never)
  try {
    let end = log.at(-1)?.ranges.at(-1)?.endOffset ?? 0
    for (const piece of copies()) {
      const full = await session.note(piece)
      if (full === undefined) continue
      end = full
      break
    }
    const cleaned: CleanedRanges[] = []
    for (const piece of copies()) cleaned.push(await session.clean(piece, rulesUpTo(end, changed)))
    return { end, cleaned }
  } finally {
    session.end()
  }
}

function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}

const oneIn = (count: number) => fc.nat(count - 1).map((chosen) => chosen === 0)
const someKey = fc.constantFrom('', 'a', 'b', 'a key so long that it is hashed', null)
const someValue = fc.option(fc.string({ maxLength: 200 }), { nil: null, freq: 5 })
const written: fc.Arbitrary<Written> = fc.record({
  compression: fc.constantFrom(...compressions),
  isTransactional: oneIn(6),
  isControl: oneIn(12),
  isDamaged: oneIn(12),
  records: fc.array(fc.record({ key: someKey, value: someValue }), { minLength: 1, maxLength: 8 }),
})

test('a thread and the event loop give the same bytes, whatever is cleaned', async (t) => {
  const { worker, told } = watched(t)
  const seen = new Map<string, number>()
  const saw = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)
  await fc.assert(
    fc.asyncProperty(
      fc.array(written, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      // Room for a few keys, or for all.
      fc.constantFrom(0, 2 ** 20),
      fc.record({ nowMs: fc.constantFrom(nowMs, nowMs + 120_000), logStartOffset: fc.nat(3) }),
      async (batches, inRange, inPiece, bytesMax, changed) => {
        const log = logOf(batches, inRange, inPiece)
        const here = await clean(inlineCleaning(systemClock), log, bytesMax, changed)
        const there = await clean(worker, log, bytesMax, changed)
        assert.deepEqual(there, here)
        for (const { isChanged, removed, opaqueBatches, deleteHorizonMs, bytes } of here.cleaned) {
          saw(isChanged ? 'changed' : 'same')
          if (opaqueBatches > 0) saw('opaque')
          if (deleteHorizonMs > 0) saw('tombstone')
          if (removed > 0 && bytes.length === 0) saw('nothing left')
        }
        // What was cleaned is cleaned once more: by then tombstones have their horizon.
        const again = here.cleaned.flatMap(({ bytes }, at) => {
          const [piece] = log.slice(at)
          const [first, last] = [piece?.ranges.at(0), piece?.ranges.at(-1)]
          if (first === undefined || last === undefined || bytes.length === 0) return []
          return [{ ranges: [{ ...first, endOffset: last.endOffset, length: bytes.length }], bytes }]
        })
        const later = { ...changed, firstDirtyOffset: here.end, nowMs: nowMs + 300_000 }
        assert.deepEqual(
          await clean(worker, again, bytesMax, later),
          await clean(inlineCleaning(systemClock), again, bytesMax, later),
        )
      },
    ),
    { numRuns: 150 },
  )
  for (const what of ['changed', 'same', 'opaque', 'tombstone', 'nothing left'])
    assert.ok((seen.get(what) ?? 0) > 0, `${what}: not one of ${JSON.stringify([...seen])}`)
  assert.deepEqual(told, ['started'], 'one thread did it all')
})

const plain: Written = {
  compression: 'none',
  isTransactional: false,
  isControl: false,
  isDamaged: false,
  records: [{ key: 'a', value: '1' }],
}
/** Nothing in it can go. */
const oneRange = () => logOf([plain], 1, 1)[0] as StoredRanges

test('memory goes over as it is, and comes back; of a part of something larger goes a copy', async (t) => {
  const { worker } = watched(t)
  const session = await worker.begin(keys, never)
  const whole = oneRange()
  const before = copyOf(whole.bytes)
  const cleaned = await session.clean(whole, rulesUpTo(5))
  assert.equal(whole.bytes.length, 0, 'it was not copied')
  assert.deepEqual(cleaned.bytes, before)
  assert.equal(cleaned.isChanged, false)

  const pool = Buffer.alloc(1_000, 7)
  before.copy(pool, 100)
  const part = { ranges: whole.ranges, bytes: pool.subarray(100, 100 + before.length) }
  assert.deepEqual((await session.clean(part, rulesUpTo(5))).bytes, before)
  assert.equal(pool.length, 1_000, 'the others still have theirs')
  assert.deepEqual(pool.subarray(100, 100 + before.length), before)
  session.end()
})

test('there is no thread before there is something to clean, nor long after', async (t) => {
  const { worker, told } = watched(t, { idleMs: 50 })
  assert.deepEqual(told, [])
  const session = await worker.begin(keys, never)
  await sleep(200)
  assert.deepEqual(told, ['started'], 'a cleaning may take its time')
  assert.equal(await session.note(oneRange()), undefined)
  session.end()
  for (let waited = 0; told.length < 2 && waited < 10_000; waited += 10) await sleep(10)
  assert.deepEqual(told, ['started', 'ended'])
  const next = await worker.begin(keys, never)
  assert.deepEqual(told, ['started', 'ended', 'started'])
  next.end()
})

test('damaged records are told from a failure', async (t) => {
  const { worker, told } = watched(t)
  const session = await worker.begin(keys, never)
  const { ranges, bytes } = oneRange()
  bytes.writeInt32BE(10, BatchPosition.batchLength)
  await assert.rejects(session.note({ ranges, bytes }), CorruptObjectError)
  // The thread has not suffered.
  assert.equal(await session.note(oneRange()), undefined)
  session.end()
  assert.deepEqual(told, ['started'])
})

const program = (code: string) => new URL(`data:text/javascript,${encodeURIComponent(code)}`)
const port = "import { parentPort } from 'node:worker_threads'; parentPort.postMessage({ kind: 'ready' });"

test('a thread that ends fails the cleaning that it was at, and the next one has another thread', async (t) => {
  for (const [code, why] of [
    ["parentPort.once('message', () => process.exit(3))", /the worker thread ended: exit code 3/],
    ["parentPort.once('message', () => { throw new Error('a defect') })", /the worker thread ended: a defect/],
  ] as const) {
    const { worker, told } = watched(t, { program: program(`${port}${code}`) })
    for (let i = 0; i < 2; i++) await assert.rejects(worker.begin(keys, never), why)
    const once = ['started', 'failed: work', told[2], 'ended']
    assert.deepEqual(told, [...once, ...once])
    assert.match(told[2] ?? '', /^log: the thread that cleans ended/)
  }
})

test('records that need more memory than a thread may have do not end the process', async (t) => {
  const { worker, told } = watched(t, { heapMibMax: 8 })
  const session = await worker.begin(keys, never)
  const records = Array.from({ length: 300_000 }, () => ({ key: null, value: null }))
  const large = logOf([{ ...plain, compression: 'gzip', records }], 1, 1)[0] as StoredRanges
  await assert.rejects(session.note(large), /the worker thread ended: .*memory/)
  await assert.rejects(session.note(oneRange()), /has ended/)
  session.end()
  assert.deepEqual([told[0], told[1], told[3]], ['started', 'failed: work', 'ended'])
  const next = await worker.begin(keys, never)
  assert.equal(await next.note(oneRange()), undefined)
  next.end()
})

test('where no thread can be started the event loop does it, and the log says so once', async (t) => {
  const { worker, told } = watched(t, { program: new URL('file:///nowhere/cleaning.js') })
  for (let i = 0; i < 2; i++) {
    const session = await worker.begin(keys, never)
    assert.equal(await session.note(oneRange()), undefined)
    assert.equal((await session.clean(oneRange(), rulesUpTo(5))).records, 1)
    session.end()
  }
  assert.equal(told.length, 3)
  assert.deepEqual([told[0], told[2]], ['failed: start', 'failed: start'])
  assert.match(told[1] ?? '', /^log: no thread can be started .* on the event loop: /)
})

test('who ends does not wait for a thread, and the thread ends', async (t) => {
  const silent = program(`${port}parentPort.on('message', () => { for (;;); })`)
  const { worker, told } = watched(t, { program: silent })
  const stop = new AbortController()
  const begun = worker.begin(keys, stop.signal)
  await sleep(300)
  stop.abort()
  await assert.rejects(begun, (error) => error === stop.signal.reason)
  await worker.close()
  assert.deepEqual(told, ['started', 'ended'])
  await assert.rejects(worker.begin(keys, never), /shutting down/)

  const other = watched(t, { program: silent })
  const waiting = assert.rejects(other.worker.begin(keys, never), /shutting down/)
  await sleep(300)
  await other.worker.close()
  await waiting
  assert.deepEqual(other.told, ['started', 'ended'])
})
