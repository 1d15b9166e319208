import { AssertionError } from '../../base/assert.js'
import { messageOf } from '../../base/errors.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import { Fetch, type FetchRequest, type FetchResponse } from '../../protocol/messages/fetch.js'
import type { Cluster } from '../../state/cluster.js'
import { handle, type RequestContext } from '../handler.js'
import { leaderEpochProblem } from '../leader-epoch.js'
import { waitForRecords } from '../waiting.js'

/** The first version with topic ids instead of names. */
const topicIdVersion = 13

/**
 * Fetch, v4–18. Reads record batches; waits up to maxWaitMs until there are minBytes (KIP-74: at least one batch,
 * whatever its size; the batches of one response are bounded by maxBytes and partitionMaxBytes otherwise).
 * v7: fetch sessions (KIP-227) are not kept: whoever asks for one gets session 0 and sends whole requests.
 * v13: topic ids (KIP-516).
 *
 * While a request waits, later ones of its connection go on; it reads when its answer's turn has come.
 */
export const fetch = handle(
  Fetch,
  async (request, context): Promise<FetchResponse> => {
    if (request.sessionEpoch > 0) return { errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND, responses: [] }
    const { cluster, clock, signal } = context
    const wanted = wantedPartitions(request, context)
    if (!check(wanted, cluster)) {
      await cluster.barrier()
      resolveTopics(wanted, context)
      check(wanted, cluster)
    }
    const bytesMax = Math.min(request.maxBytes, context.answerBytesMax)
    const minBytes = Math.min(request.minBytes, bytesMax)
    const isReady = () => isAnswerable(wanted, minBytes, cluster)
    if (request.maxWaitMs > 0 && wanted.length > 0 && !isReady()) {
      context.proceed()
      await waitForRecords({
        logs: cluster.logs,
        partitions: wanted,
        isReady,
        clock,
        timeoutMs: request.maxWaitMs,
        signal,
      })
      await context.turn()
      check(wanted, cluster)
    }
    await read(wanted, Math.min(request.maxBytes, context.answerBytesMax), context)
    context.whenSent(() => {
      for (const { release } of wanted) release?.()
    })
    return { errorCode: ErrorCode.NONE, responses: responsesOf(request, wanted, cluster) }
  },
  (request) => ({ errorCode: ErrorCode.NONE, responses: unavailable(request) }),
)

type TopicRequest = FetchRequest['topics'][number]

/** One partition of a request; also says which one it is, for `watch`. */
interface WantedPartition {
  topicId: string
  readonly partition: number
  readonly offset: number
  readonly bytesMax: number
  readonly currentLeaderEpoch: number
  readonly topic: TopicRequest
  errorCode: ErrorCode
  batches: Buffer[]
  /** The batches have been sent. */
  release: (() => void) | undefined
}

const nothing: Buffer[] = []

function wantedPartitions(request: FetchRequest, context: RequestContext): WantedPartition[] {
  const wanted: WantedPartition[] = []
  for (const topic of request.topics)
    for (const partition of topic.partitions)
      wanted.push({
        topicId: topic.topicId,
        partition: partition.partition,
        offset: partition.fetchOffset,
        bytesMax: partition.partitionMaxBytes,
        currentLeaderEpoch: partition.currentLeaderEpoch,
        topic,
        errorCode: ErrorCode.NONE,
        batches: nothing,
        release: undefined,
      })
  resolveTopics(wanted, context)
  return wanted
}

/** Fills in the ids of topics that are asked for by name; an unknown one keeps Kafka's zero id, which no topic has. */
function resolveTopics(wanted: readonly WantedPartition[], { apiVersion, cluster }: RequestContext): void {
  if (apiVersion >= topicIdVersion) return
  for (const partition of wanted)
    partition.topicId = cluster.topics.byName(partition.topic.topic)?.id ?? partition.topicId
}

/**
 * Sees which partitions can be read. False if there is one that can't, as far as this instance knows now, but perhaps
 * could as others know.
 */
function check(wanted: readonly WantedPartition[], { logs, topics }: Cluster): boolean {
  let isCertain = true
  for (const partition of wanted) {
    const offsets = logs.offsets(partition.topicId, partition.partition)
    if (offsets === undefined) {
      const isUnknownId = partition.topic.topic === '' && topics.byId(partition.topicId) === undefined
      partition.errorCode = isUnknownId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      isCertain = false
    } else if (partition.offset > offsets.highWatermark) {
      partition.errorCode = ErrorCode.OFFSET_OUT_OF_RANGE
      isCertain = false
    } else if (partition.offset < offsets.logStartOffset) partition.errorCode = ErrorCode.OFFSET_OUT_OF_RANGE
    else partition.errorCode = leaderEpochProblem(partition.currentLeaderEpoch)
  }
  return isCertain
}

/** Whether there is enough to answer with: an error, or so many bytes. */
function isAnswerable(wanted: readonly WantedPartition[], minBytes: number, { logs }: Cluster): boolean {
  let bytes = 0
  for (const { topicId, partition, offset, bytesMax, errorCode } of wanted) {
    if (errorCode !== ErrorCode.NONE) return true
    const offsets = logs.offsets(topicId, partition)
    if (offsets === undefined || offset < offsets.logStartOffset) return true
    bytes += logs.available(topicId, partition, offset, Math.max(bytesMax, 1))
    if (bytes >= minBytes) return true
  }
  return bytes >= minBytes
}

/**
 * Reads the partitions at once, in the request's order of precedence. The first that has anything gives a whole batch
 * even if that is larger than allowed (KIP-74).
 */
async function read(wanted: readonly WantedPartition[], bytesMax: number, context: RequestContext): Promise<void> {
  const { logs } = context.cluster
  const reads: Promise<void>[] = []
  let rest = bytesMax
  let isFirst = true
  for (const partition of wanted) {
    if (context.signal.aborted) break
    const allowed = Math.min(partition.bytesMax, rest)
    if (partition.errorCode !== ErrorCode.NONE || (allowed <= 0 && !isFirst)) continue
    const bytes = logs.available(partition.topicId, partition.partition, partition.offset, Math.max(allowed, 1))
    if (bytes === 0) continue
    reads.push(readPartition(partition, Math.max(allowed, 1), !isFirst, context))
    rest -= bytes
    isFirst = false
  }
  if (reads.length === 1) await reads[0]
  else if (reads.length > 1) await Promise.all(reads)
}

async function readPartition(
  wanted: WantedPartition,
  bytesMax: number,
  strict: boolean,
  { cluster, log }: RequestContext,
): Promise<void> {
  const { topicId, partition, offset } = wanted
  try {
    const { batches, release } = await cluster.logs.read(topicId, partition, offset, { bytesMax, strict })
    wanted.batches = batches
    wanted.release = release
  } catch (error) {
    if (error instanceof AssertionError) throw error
    log.warn({ topicId, partition, offset, problem: messageOf(error) }, 'records could not be read')
    wanted.errorCode = ErrorCode.KAFKA_STORAGE_ERROR
  }
}

function responsesOf(
  request: FetchRequest,
  wanted: readonly WantedPartition[],
  { logs }: Cluster,
): FetchResponse['responses'] {
  let next = 0
  return request.topics.map(({ topic, topicId, partitions }) => ({
    topic,
    topicId,
    partitions: partitions.map(() => {
      const { topicId: id, partition, errorCode, batches } = wanted[next++] as WantedPartition
      const offsets = logs.offsets(id, partition)
      // A topic may have gone while we read.
      if (errorCode !== ErrorCode.NONE || offsets === undefined)
        return failed(partition, errorCode || ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      return {
        partitionIndex: partition,
        errorCode,
        highWatermark: offsets.highWatermark,
        lastStableOffset: offsets.lastStableOffset,
        logStartOffset: offsets.logStartOffset,
        records: batches,
      }
    }),
  }))
}

function unavailable(request: FetchRequest): FetchResponse['responses'] {
  return request.topics.map(({ topic, topicId, partitions }) => ({
    topic,
    topicId,
    partitions: partitions.map(({ partition }) => failed(partition, ErrorCode.KAFKA_STORAGE_ERROR)),
  }))
}

function failed(partitionIndex: number, errorCode: ErrorCode) {
  return {
    partitionIndex,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    records: nothing,
  }
}
