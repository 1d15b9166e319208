import type { Clock } from '../../base/clock.js'
import { CorruptObjectError } from '../../base/errors.js'
import { crc32c } from '../../protocol/records/crc32c.js'
import type { TopicId } from '../cluster.js'
import { captureState, headOf, restorePieces, stateOfHead } from '../views/slices.js'
import { fromSnapshot, type State } from '../views/state.js'
import { checksum, pack, unpack } from './entry.js'

/**
 * The bytes of a snapshot: `magic 'HLS2' | crc32c of the rest u32 | frames`, a frame being `length u32 | msgpack`. It
 * holds the state after the entry `sequence`. The first frame is [format, sequence, head]; each of the others is
 * [section, pieces], see `views/slices.ts`.
 *
 * Format 5 did not say which writer took a committed offset. Format 4 had no clock in its head. Before it the first frame held
 * the state, the writers without the number from which they are new;
 * [segments from, [[topic id, number of partitions], …]] stood in the place of the partitions, and the other frames
 * were lists of them in that order. Format 2 had partitions without their first dirty offset and delete horizon.
 * Format 1 was `magic 'HLS1' | crc32 of the rest u32 | msgpack [format, sequence, state]`.
 */
const magic = Buffer.from('HLS2')
const magicOfFormat1 = Buffer.from('HLS1')
const format = 6
const headBytes = 8
/** Pieces of the state, and about how many bytes of them, encoded before others get their turn on the event loop. */
const piecesAtOnce = 500
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
  const addFrame = (data: unknown) => {
    const frame = pack(data)
    const length = Buffer.allocUnsafe(4)
    length.writeUInt32BE(frame.length)
    crc = crc32c(frame, crc32c(length, crc))
    snapshot.pieces.push(length, frame)
    snapshot.bytes += length.length + frame.length
  }
  const measured = <T>(work: () => T): T => {
    const since = clock.monotonic()
    const result = work()
    const ms = clock.monotonic() - since
    snapshot.longestMs = Math.max(snapshot.longestMs, ms)
    snapshot.totalMs += ms
    return result
  }
  const captures = measured(() => {
    addFrame([format, sequence, headOf(state)])
    return captureState(state)
  })
  try {
    for (const { section, slices } of captures) {
      const addSlice = () => {
        const pieces = slices.take(piecesAtOnce, bytesAtOnce)
        if (pieces.length > 0) addFrame([section, pieces])
        return pieces.length > 0
      }
      do await new Promise<void>((resolve) => clock.soon(resolve))
      while (measured(addSlice))
    }
  } finally {
    for (const { slices } of captures) slices.end()
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
  if (isFormat1) {
    const [, sequence, plain] = unpack(body) as [number, number, unknown[]]
    plain[partitionsAt] = [0, plain[partitionsAt]]
    return { state: fromOldSnapshot(plain), sequence }
  }
  const frames = framesIn(body)
  const [found, sequence, head] = frames.next().value as [number, number, unknown]
  if (found > format) throw new CorruptObjectError(`${key} has format ${found}, this version reads up to ${format}`)
  if (found < 4) return { state: fromFormat3(head as unknown[], frames), sequence }
  const state = stateOfHead(head)
  for (const [section, pieces] of frames as Generator<[string, unknown[]]>) restorePieces(state, section, pieces)
  return { state, sequence }
}

/** The places of the writers and of the partitions in the plain data of older formats. */
const writersAt = 1
const partitionsAt = 3

/** Format 2 too. */
function fromFormat3(plain: unknown[], frames: Generator<unknown>): State {
  const [segmentsFrom, shape] = plain[partitionsAt] as [number, [TopicId, number][]]
  const logs = ([...frames] as unknown[][]).flat()
  let at = 0
  const topics = shape.map(([topicId, count]) => {
    const ofTopic = logs.slice(at, at + count)
    at += count
    return [topicId, ofTopic]
  })
  plain[partitionsAt] = [segmentsFrom, topics]
  return fromOldSnapshot(plain)
}

/** No writer had been forgotten yet. */
function fromOldSnapshot(plain: unknown[]): State {
  plain[writersAt] = [0, plain[writersAt]]
  return fromSnapshot(plain)
}

function* framesIn(body: Buffer): Generator<unknown> {
  for (let at = 0; at < body.length; ) {
    const length = body.readUInt32BE(at)
    yield unpack(body.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
}
