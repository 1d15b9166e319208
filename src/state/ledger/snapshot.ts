import type { Clock } from '../../base/clock.js'
import { CorruptObjectError, messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import { crc32c } from '../../protocol/records/crc32c.js'
import type { TopicId } from '../cluster.js'
import type { ObjectStore } from '../store/object-store.js'
import { emptyState, fromSnapshot, type State, toSnapshotWith } from '../views/state.js'
import { checksum, pack, unpack } from './entry.js'
import { entriesFolder, entryKey, numberOfKey, snapshotKey, snapshotsPrefix } from './keys.js'

/**
 * The bytes of a snapshot: `magic 'HLS2' | crc32c of the rest u32 | frames`, a frame being `length u32 | msgpack`. It
 * holds the state after the entry `sequence`. The first frame is [format, sequence, state], the state with
 * [segments from, [[topic id, number of partitions], …]] in the place of the partitions; the others are lists of
 * partitions, in that order.
 *
 * Format 2 had partitions without their first dirty offset and delete horizon.
 * Format 1 was `magic 'HLS1' | crc32 of the rest u32 | msgpack [format, sequence, state]`.
 */
const magic = Buffer.from('HLS2')
const magicOfFormat1 = Buffer.from('HLS1')
const format = 3
const headBytes = 8
/** Older snapshots are deleted; a few stay for an instance that is just loading one, or finds the newest corrupt. */
const snapshotsKept = 3
/** So often a start looks again for snapshots when those that it found were replaced. */
const listingsMax = 10
/** Places that may be empty just before the last entry: as many as all instances may have under way. */
export const unwrittenMax = 1_024
/** Partitions, and bytes of their ranges, encoded before others get their turn on the event loop. */
const partitionsAtOnce = 100
const bytesAtOnce = 128 * 1024

export interface EncodedSnapshot {
  pieces: Buffer[]
  bytes: number
  /** The longest time for which nothing else could run, and all such time, milliseconds. */
  longestMs: number
  totalMs: number
}

/** Encodes the state as it is at the call, though it may change before the promise resolves. */
export async function encodeSnapshot(state: State, sequence: number, clock: Clock): Promise<EncodedSnapshot> {
  const head = Buffer.allocUnsafe(headBytes)
  const snapshot: EncodedSnapshot = { pieces: [head], bytes: headBytes, longestMs: 0, totalMs: 0 }
  let crc = 0
  const addFrame = (data: () => unknown) => {
    const since = clock.monotonic()
    const frame = pack(data())
    const length = Buffer.allocUnsafe(4)
    length.writeUInt32BE(frame.length)
    crc = crc32c(frame, crc32c(length, crc))
    snapshot.pieces.push(length, frame)
    snapshot.bytes += length.length + frame.length
    const ms = clock.monotonic() - since
    snapshot.longestMs = Math.max(snapshot.longestMs, ms)
    snapshot.totalMs += ms
  }
  const { partitions } = state
  addFrame(() => [format, sequence, toSnapshotWith(state, [partitions.segmentsFrom, partitions.shape()])])
  const capture = partitions.capture()
  try {
    for (;;) {
      await new Promise<void>((resolve) => clock.soon(resolve))
      const logs = capture.take(partitionsAtOnce, bytesAtOnce)
      if (logs.length === 0) break
      addFrame(() => logs)
    }
  } finally {
    capture.end()
  }
  magic.copy(head, 0)
  head.writeUInt32BE(crc, 4)
  return snapshot
}

/** @throws CorruptObjectError if the bytes are no snapshot of a format that this code knows. */
export function decodeSnapshot(bytes: Buffer, key: string): { state: State; sequence: number } {
  const body = bytes.subarray(headBytes)
  const start = bytes.subarray(0, magic.length)
  const isFormat1 = start.equals(magicOfFormat1)
  if (bytes.length < headBytes || !(isFormat1 || start.equals(magic)))
    throw new CorruptObjectError(`${key} is not a snapshot`)
  if ((isFormat1 ? checksum(body) : crc32c(body)) !== bytes.readUInt32BE(4))
    throw new CorruptObjectError(`${key}: its checksum is wrong`)
  const frames = isFormat1 ? [unpack(body)] : [...framesIn(body)]
  const [found, sequence, state] = frames.shift() as [number, number, unknown[]]
  if (found > format) throw new CorruptObjectError(`${key} has format ${found}, this version reads up to ${format}`)
  if (isFormat1) state[partitionsAt] = [0, state[partitionsAt]]
  else {
    const [segmentsFrom, shape] = state[partitionsAt] as [number, [TopicId, number][]]
    const logs = (frames as unknown[][]).flat()
    let at = 0
    const topics = shape.map(([topicId, count]) => {
      const ofTopic = logs.slice(at, at + count)
      at += count
      return [topicId, ofTopic]
    })
    state[partitionsAt] = [segmentsFrom, topics]
  }
  return { state: fromSnapshot(state), sequence }
}

/** The place of the partitions in the state's plain data. */
const partitionsAt = 3

function* framesIn(body: Buffer): Generator<unknown> {
  for (let at = 0; at < body.length; ) {
    const length = body.readUInt32BE(at)
    yield unpack(body.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
}

/**
 * The newest usable snapshot's state and the sequence number of the entry after it; an empty state if there is none.
 * @throws CorruptObjectError if entries are missing that no usable snapshot covers.
 */
export async function loadSnapshot(
  store: ObjectStore,
  ledger: number,
  log: Log,
): Promise<{ state: State; next: number }> {
  for (let listing = 1; ; listing++) {
    const keys = await snapshotKeys(store, ledger)
    const newest = numberOfKey(keys.at(-1) ?? '0')
    let isGone = false
    for (const key of keys.reverse()) {
      try {
        const object = await store.get(key)
        if (object === undefined) isGone = true
        if (object === undefined) continue
        const { state, sequence } = decodeSnapshot(object.bytes, key)
        await checkEntries(store, ledger, sequence + 1, newest)
        return { state, next: sequence + 1 }
      } catch (error) {
        if (!(error instanceof CorruptObjectError)) throw error
        log.error({ key, error: messageOf(error) }, 'a snapshot cannot be used; an older one is tried')
      }
    }
    // Newer ones took the place of those that were listed.
    if (isGone && listing < listingsMax) continue
    await checkEntries(store, ledger, 1, newest)
    return { state: emptyState(), next: 1 }
  }
}

/**
 * Entries go once a snapshot covers them; who begins with an older one must not take their places for the tail.
 * Beyond the newest snapshot a few may be missing: they are just being written.
 */
async function checkEntries(store: ObjectStore, ledger: number, next: number, newest: number): Promise<void> {
  let expected = next
  for await (const { key } of store.list(`${entriesFolder(ledger)}/`, { after: entryKey(ledger, next - 1) })) {
    const found = numberOfKey(key)
    if (found === expected && expected <= newest) {
      expected++
      continue
    }
    const isWithinReach = expected > newest && found - expected <= unwrittenMax
    if (found === expected || isWithinReach) return
    throw new CorruptObjectError(
      `the ledger's entries from ${expected} to ${found - 1} are missing, and no usable snapshot covers them`,
    )
  }
  if (expected <= newest)
    throw new CorruptObjectError(`the ledger's entries from ${expected} to ${newest} are missing, and so is a snapshot`)
}

/** The sequence number of the oldest snapshot that is kept; 0 if there is none. */
export async function oldestSnapshot(store: ObjectStore, ledger: number): Promise<number> {
  return numberOfKey((await snapshotKeys(store, ledger))[0] ?? '0')
}

/** Stores a snapshot and deletes those that are no longer needed. */
export async function storeSnapshot(
  store: ObjectStore,
  ledger: number,
  sequence: number,
  pieces: readonly Buffer[],
): Promise<void> {
  await store.putIfAbsent(snapshotKey(ledger, sequence), pieces)
  const keys = await snapshotKeys(store, ledger)
  const old = keys.slice(0, -snapshotsKept)
  if (old.length > 0) await store.delete(old)
}

/** The keys of all snapshots, oldest first. */
export async function snapshotKeys(store: ObjectStore, ledger: number): Promise<string[]> {
  const keys: string[] = []
  for await (const object of store.list(snapshotsPrefix(ledger)))
    if (Number.isSafeInteger(numberOfKey(object.key))) keys.push(object.key)
  return keys
}
