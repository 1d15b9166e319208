import { ErrorCode } from '../../protocol/error-codes.js'

/** Batches remembered per producer and partition: an idempotent producer has at most five under way (KIP-98). */
const batchesRemembered = 5
/** Sequences are int32 and wrap to 0. */
const sequenceLimit = 2 ** 31

/** An appended batch of an idempotent producer. */
export interface SequencedBatch {
  producerId: number
  producerEpoch: number
  baseSequence: number
  recordCount: number
}

interface ProducerEntry {
  epoch: number
  lastAppendMs: number
  /** First sequence, last sequence, base offset of the last batches, oldest first. */
  batches: [firstSequence: number, lastSequence: number, baseOffset: number][]
}

export type SequenceCheck =
  | { kind: 'next' }
  | { kind: 'duplicate'; baseOffset: number }
  | { kind: 'refused'; errorCode: ErrorCode }

const next: SequenceCheck = { kind: 'next' }
const outOfOrder: SequenceCheck = { kind: 'refused', errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER }
const fenced: SequenceCheck = { kind: 'refused', errorCode: ErrorCode.INVALID_PRODUCER_EPOCH }

/**
 * The sequences of idempotent producers on one partition, as Kafka's ProducerStateManager keeps them, so that each
 * batch lands once and in order.
 */
export class ProducerSequences {
  readonly #producers = new Map<number, ProducerEntry>()
  /** The largest producer id ever forgotten here: those above it were never here before. */
  #forgottenMax = -1

  get size(): number {
    return this.#producers.size
  }

  /**
   * Whether a batch is the next of its producer. A first batch must have sequence 0, unless its producer may have been
   * here and been forgotten. Kafka accepts any first sequence, and so can lose the batch before it (KAFKA-15591).
   */
  check(batch: SequencedBatch, logIsEmpty: boolean): SequenceCheck {
    const entry = this.#producers.get(batch.producerId)
    if (entry === undefined) {
      if (batch.baseSequence === 0) return next
      return logIsEmpty || batch.producerId > this.#forgottenMax ? outOfOrder : next
    }
    if (batch.producerEpoch < entry.epoch) return fenced
    if (batch.producerEpoch > entry.epoch) return batch.baseSequence === 0 ? next : outOfOrder
    const lastSequence = sequenceAfter(batch.baseSequence, batch.recordCount - 1)
    for (const [first, last, baseOffset] of entry.batches)
      if (first === batch.baseSequence && last === lastSequence) return { kind: 'duplicate', baseOffset }
    const newest = entry.batches.at(-1)
    return newest === undefined || sequenceAfter(newest[1], 1) === batch.baseSequence ? next : outOfOrder
  }

  /** Remembers a batch that was appended. */
  appended(batch: SequencedBatch, baseOffset: number, timeMs: number): void {
    const last = sequenceAfter(batch.baseSequence, batch.recordCount - 1)
    const entry = this.#producers.get(batch.producerId)
    if (entry === undefined || entry.epoch !== batch.producerEpoch) {
      this.#producers.set(batch.producerId, {
        epoch: batch.producerEpoch,
        lastAppendMs: timeMs,
        batches: [[batch.baseSequence, last, baseOffset]],
      })
      return
    }
    entry.lastAppendMs = timeMs
    entry.batches.push([batch.baseSequence, last, baseOffset])
    if (entry.batches.length > batchesRemembered) entry.batches.shift()
  }

  /** Forgets the producers that appended nothing since `beforeMs` (Kafka's `producer.id.expiration.ms`). */
  forget(beforeMs: number): void {
    for (const [producerId, entry] of this.#producers) {
      if (entry.lastAppendMs >= beforeMs) continue
      this.#producers.delete(producerId)
      if (producerId > this.#forgottenMax) this.#forgottenMax = producerId
    }
  }

  /** Whether `forget(beforeMs)` would forget anybody. */
  hasIdle(beforeMs: number): boolean {
    for (const entry of this.#producers.values()) if (entry.lastAppendMs < beforeMs) return true
    return false
  }

  toSnapshot(): unknown {
    const entries = [...this.#producers].map(([id, entry]) => [
      id,
      entry.epoch,
      entry.lastAppendMs,
      entry.batches.flat(),
    ])
    return [this.#forgottenMax, entries]
  }

  static fromSnapshot(snapshot: unknown): ProducerSequences {
    const [forgottenMax, entries] = snapshot as [number, [number, number, number, number[]][]]
    const sequences = new ProducerSequences()
    sequences.#forgottenMax = forgottenMax
    for (const [id, epoch, lastAppendMs, flat] of entries) {
      const batches: ProducerEntry['batches'] = []
      for (let i = 0; i < flat.length; i += 3)
        batches.push([flat[i] as number, flat[i + 1] as number, flat[i + 2] as number])
      sequences.#producers.set(id, { epoch, lastAppendMs, batches })
    }
    return sequences
  }
}

function sequenceAfter(sequence: number, count: number): number {
  const sum = sequence + count
  return sum >= sequenceLimit ? sum - sequenceLimit : sum
}
