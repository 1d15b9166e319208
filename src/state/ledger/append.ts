import { BatchPosition, maxTimestampOf, producerIdOf, recordCountOf } from '../../protocol/records/batch.js'
import type { AppendOutcome, BatchToAppend, TopicId } from '../cluster.js'

/** A call of `append`: it is answered when each of its batches has an outcome. */
export interface AppendRequest {
  outcomes: AppendOutcome[]
  missing: number
  resolve(outcomes: AppendOutcome[]): void
  reject(error: Error): void
}

/** A batch that waits to be flushed, with the numbers of its header that the ledger keeps. */
export interface AppendProposal {
  kind: 'append'
  topicId: TopicId
  partition: number
  batch: Buffer
  recordCount: number
  maxTimestampMs: number
  producerId: number
  producerEpoch: number
  baseSequence: number
  request: AppendRequest
  /** Its place in the request. */
  slot: number
  /** The index of its topic among those of its part, once it is in one. */
  topic: number
}

export function appendProposal({ topicId, partition, batch }: BatchToAppend, request: AppendRequest, slot: number) {
  const proposal: AppendProposal = {
    kind: 'append',
    topicId,
    partition,
    batch,
    recordCount: recordCountOf(batch),
    maxTimestampMs: maxTimestampOf(batch),
    producerId: producerIdOf(batch),
    producerEpoch: batch.readInt16BE(BatchPosition.producerEpoch),
    baseSequence: batch.readInt32BE(BatchPosition.baseSequence),
    request,
    slot,
    topic: 0,
  }
  return proposal
}

/** A batch has its outcome. */
export function settleAppend({ request, slot }: AppendProposal, outcome: AppendOutcome): void {
  request.outcomes[slot] = outcome
  if (--request.missing === 0) request.resolve(request.outcomes)
}
