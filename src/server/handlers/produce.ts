import { ErrorCode } from '../../protocol/error-codes.js'
import { Produce, type ProduceRequest, type ProduceResponse } from '../../protocol/messages/produce.js'
import { BatchPosition, readInt64, withLogAppendTime } from '../../protocol/records/batch.js'
import { checkBatch } from '../../protocol/records/batch-check.js'
import { readRawBatch } from '../../protocol/records/raw-record.js'
import { RecordError } from '../../protocol/records/record-error.js'
import type { AppendOutcome, BatchToAppend, Cluster, Topic } from '../../state/cluster.js'
import { topicConfig } from '../../state/topic-configs.js'
import { handle, type RequestContext } from '../handler.js'

/** How long a client waits that gave no time-out. */
const defaultTimeoutMs = 30_000
/** The first version with topic ids instead of names. */
const topicIdVersion = 13

/**
 * Produce, v3–13. Appends record batches to partitions.
 * v3: record format v2. v7: zstd. v8: error messages. v13: topic ids (KIP-516).
 *
 * Every batch answered without an error is durable, also with acks 1. With acks 0 there is no answer; an error then
 * closes the connection, so that the client notices. The order of appends is the order of the requests, although
 * the next request starts before this one is answered.
 */
export const produce = handle(
  Produce,
  (request, context) => {
    const isRefused = request.transactionalId !== null || request.acks < -1 || request.acks > 1
    if (isRefused || topicsAreKnown(request, context)) return append(request, context)
    return behindBarrier(request, context)
  },
  (request, context) => refuseAll(request, context, ErrorCode.KAFKA_STORAGE_ERROR),
  // What is appended is pinned by those who keep it.
  { keepsNothing: true },
)

type PartitionRequest = ProduceRequest['topicData'][number]['partitionData'][number]

interface PartitionAnswer {
  index: number
  errorCode: ErrorCode
  recordErrors: { batchIndex: number; batchIndexErrorMessage: string }[]
  errorMessage: string | null
  baseOffset: number
  logAppendTimeMs: number
  logStartOffset: number
}

async function behindBarrier(request: ProduceRequest, context: RequestContext): Promise<ProduceResponse | null> {
  await context.cluster.barrier()
  return append(request, context)
}

function topicsAreKnown(request: ProduceRequest, context: RequestContext): boolean {
  for (const topicData of request.topicData) {
    const topic = topicOf(topicData, context)
    if (topic === undefined) return false
    for (const { index } of topicData.partitionData) if (index >= topic.partitionCount) return false
  }
  return true
}

function topicOf(topicData: ProduceRequest['topicData'][number], context: RequestContext): Topic | undefined {
  const { topics } = context.cluster
  return context.apiVersion < topicIdVersion ? topics.byName(topicData.name) : topics.byId(topicData.topicId)
}

function append(
  request: ProduceRequest,
  context: RequestContext,
): ProduceResponse | null | Promise<ProduceResponse | null> {
  const nowMs = context.clock.now()
  const batches: BatchToAppend[] = []
  const appended: PartitionAnswer[] = []
  const refusal = requestRefusal(request)
  const responses = request.topicData.map((topicData) => {
    const topic = topicOf(topicData, context)
    const partitionResponses = topicData.partitionData.map((partition) => {
      const answer: PartitionAnswer = {
        index: partition.index,
        errorCode: refusal,
        recordErrors: noRecordErrors,
        errorMessage: null,
        baseOffset: -1,
        logAppendTimeMs: -1,
        logStartOffset: -1,
      }
      if (refusal !== ErrorCode.NONE) return answer
      if (topic === undefined || partition.index < 0 || partition.index >= topic.partitionCount)
        answer.errorCode =
          topic === undefined && context.apiVersion >= topicIdVersion
            ? ErrorCode.UNKNOWN_TOPIC_ID
            : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      else {
        const batch = acceptedBatch(partition, answer, topic, context, nowMs)
        if (batch !== undefined) {
          batches.push({ topicId: topic.id, partition: partition.index, batch })
          appended.push(answer)
        }
      }
      return answer
    })
    return { name: topicData.name, topicId: topicData.topicId, partitionResponses }
  })
  const response = { responses }
  if (batches.length === 0) return answerOf(request, response, context)
  const outcomes = context.cluster.logs.append(batches)
  context.proceed()
  return complete(request, response, appended, outcomes, context)
}

/** Answers once all outcomes are known, or once the client does not wait any longer. */
function complete(
  request: ProduceRequest,
  response: ProduceResponse,
  appended: readonly PartitionAnswer[],
  outcomes: Promise<AppendOutcome[]>,
  context: RequestContext,
): Promise<ProduceResponse | null> {
  return new Promise((resolve, reject) => {
    const timeoutMs = request.timeoutMs > 0 ? request.timeoutMs : defaultTimeoutMs
    let isAnswered = false
    const answer = (settled: readonly AppendOutcome[] | undefined) => {
      if (isAnswered) return
      isAnswered = true
      for (let i = 0; i < appended.length; i++) fillIn(appended[i] as PartitionAnswer, settled?.[i], timeoutMs)
      resolve(answerOf(request, response, context))
    }
    context.expectWithin(timeoutMs, () => answer(undefined))
    outcomes.then(answer, reject)
  })
}

/** `outcome`: undefined when it takes too long. */
function fillIn(answer: PartitionAnswer, outcome: AppendOutcome | undefined, timeoutMs: number): void {
  if (outcome === undefined) {
    answer.errorCode = ErrorCode.REQUEST_TIMED_OUT
    answer.errorMessage = `The batch was not durable within ${timeoutMs} ms; it may still become so.`
    answer.logAppendTimeMs = -1
    return
  }
  answer.errorCode = outcome.errorCode
  answer.errorMessage = outcome.errorMessage ?? null
  answer.baseOffset = outcome.baseOffset
  answer.logStartOffset = outcome.logStartOffset
  if (outcome.errorCode !== ErrorCode.NONE) answer.logAppendTimeMs = -1
}

/** What is wrong with the request as a whole. */
function requestRefusal(request: ProduceRequest): ErrorCode {
  if (request.acks < -1 || request.acks > 1) return ErrorCode.INVALID_REQUIRED_ACKS
  return request.transactionalId === null ? ErrorCode.NONE : ErrorCode.INVALID_TXN_STATE
}

/** The batch as it is to be kept, or undefined with the reason in `answer`. */
function acceptedBatch(
  { records }: PartitionRequest,
  answer: PartitionAnswer,
  topic: Topic,
  { apiVersion, cluster }: RequestContext,
  nowMs: number,
): Buffer | undefined {
  const config = topicConfig(topic.configs)
  const checked = checkBatch(records, { maxBytes: config.maxMessageBytes, zstdAllowed: apiVersion >= 7 })
  if (checked.errorCode !== ErrorCode.NONE) {
    answer.errorCode = checked.errorCode
    answer.errorMessage = checked.errorMessage
    return undefined
  }
  if (records === null) return undefined
  if (checked.isTransactional) {
    answer.errorCode = ErrorCode.INVALID_TXN_STATE
    answer.errorMessage = 'Transactions are not supported.'
    return undefined
  }
  if (config.timestampType === 'LogAppendTime') {
    if (config.isCompacted && !checkKeys(records, answer, topic, cluster)) return undefined
    answer.logAppendTimeMs = nowMs
    return withLogAppendTime(records, nowMs)
  }
  // Records are not decoded: the largest timestamp stands in the header, for the oldest the first one has to do.
  const isTooNew = checked.maxTimestamp - nowMs > config.timestampAfterMaxMs
  const baseTimestamp = readInt64(records, BatchPosition.baseTimestamp)
  const isTooOld = baseTimestamp >= 0 && nowMs - baseTimestamp > config.timestampBeforeMaxMs
  if (isTooNew || isTooOld) {
    answer.errorCode = ErrorCode.INVALID_TIMESTAMP
    answer.errorMessage = `Timestamp ${isTooNew ? checked.maxTimestamp : baseTimestamp} of message is out of range. The timestamp should be within [${nowMs - config.timestampBeforeMaxMs}, ${nowMs + config.timestampAfterMaxMs}]`
    return undefined
  }
  return config.isCompacted && !checkKeys(records, answer, topic, cluster) ? undefined : records
}

const noRecordErrors: PartitionAnswer['recordErrors'] = []
/** Records named in an answer that refuses them: a batch may have a million without a key. */
const recordErrorsMax = 1_000

/** Whether each record has a key, as those of a compacted topic must; the refusal is Kafka's, word for word. */
function checkKeys(records: Buffer, answer: PartitionAnswer, topic: Topic, cluster: Cluster): boolean {
  const found = recordsWithoutKey(records)
  if (found.length === 0) return true
  answer.errorCode = ErrorCode.INVALID_RECORD
  answer.logStartOffset = cluster.logs.offsets(topic.id, answer.index)?.logStartOffset ?? -1
  if (typeof found === 'string') {
    answer.errorMessage = found
    return false
  }
  const batchIndexErrorMessage = `Compacted topic cannot accept message without key in topic partition ${topic.name}-${answer.index}`
  answer.recordErrors = found.slice(0, recordErrorsMax).map((batchIndex) => ({ batchIndex, batchIndexErrorMessage }))
  const shown = answer.recordErrors
    .slice(0, 3)
    .map(({ batchIndex }) => `RecordError(batchIndex=${batchIndex}, message='${batchIndexErrorMessage}')`)
  answer.errorMessage = `One or more records have been rejected due to ${found.length} record errors in total, and only showing the first three errors at most: [${shown.join(', ')}]`
  return false
}

/** The places in their batch of records without a key, or what is wrong with the batch. */
function recordsWithoutKey(batch: Buffer): number[] | string {
  try {
    return readRawBatch(batch).records.flatMap(({ key }, index) => (key === null ? [index] : []))
  } catch (error) {
    if (error instanceof RecordError) return error.message
    throw error
  }
}

function answerOf(request: ProduceRequest, response: ProduceResponse, context: RequestContext): ProduceResponse | null {
  if (request.acks !== 0) return response
  const hasFailed = response.responses.some(({ partitionResponses }) =>
    partitionResponses.some(({ errorCode }) => errorCode !== ErrorCode.NONE),
  )
  if (hasFailed) context.hangUp()
  return null
}

function refuseAll(request: ProduceRequest, context: RequestContext, errorCode: ErrorCode): ProduceResponse | null {
  const responses = request.topicData.map(({ name, topicId, partitionData }) => ({
    name,
    topicId,
    partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: -1 })),
  }))
  return answerOf(request, { responses }, context)
}
