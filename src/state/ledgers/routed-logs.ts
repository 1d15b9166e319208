import { UnavailableError } from '../../base/errors.js'
import type { Pins } from '../../base/pinned-memory.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import type { AppendOutcome, BatchToAppend, Logs, Reading, TopicId, TopicPartition } from '../cluster.js'
import type { WaitingBytes } from '../ledger/waiting-bytes.js'
import type { OpenLedger } from '../open-ledger.js'
import { ledgerOfPartition } from '../routing.js'
import type { Catalogue } from './catalogue.js'

export interface RoutedLogsOptions {
  /** By their numbers. */
  ledgers: readonly OpenLedger[]
  catalogue: Catalogue
  waiting: WaitingBytes
  /** Who uses the memory of batches that wait for their ledger. */
  pins: Pins
}

/** The batches of one ledger in an append, and where their outcomes belong. */
interface Share {
  batches: BatchToAppend[]
  slots: number[]
}

/** The records of all partitions, each in its ledger. */
export function routedLogs({ ledgers, catalogue, waiting, pins }: RoutedLogsOptions): Logs {
  const count = ledgers.length
  const numberOf = (topicId: TopicId, partition: number) => ledgerOfPartition(topicId, partition, count)
  const logsOf = (topicId: TopicId, partition: number) => (ledgers[numberOf(topicId, partition)] as OpenLedger).logs

  /** Whether the ledger can take these; otherwise it must be told of a topic first. */
  const isReady = (number: number, batches: readonly BatchToAppend[]) => {
    if (!catalogue.isAhead(number)) return true
    const { partitions } = (ledgers[number] as OpenLedger).ledger.state
    return batches.every(({ topicId, partition }) => partitions.get(topicId, partition) !== undefined)
  }

  const appendTo = (number: number, batches: readonly BatchToAppend[]): Promise<AppendOutcome[]> => {
    const { logs } = ledgers[number] as OpenLedger
    const behind = catalogue.behind(number)
    if (!behind.isAwaited && isReady(number, batches)) return logs.append(batches)
    const bytes = lengthOf(batches)
    waiting.bytes += bytes
    for (const { batch } of batches) pins.pin(batch)
    let isWaiting = true
    const leave = () => {
      if (isWaiting) waiting.bytes -= bytes
      isWaiting = false
    }
    const append = () => {
      leave()
      const outcomes = logs.append(batches)
      for (const { batch } of batches) pins.unpin(batch)
      return outcomes
    }
    return behind.pass(() => isReady(number, batches), append).finally(leave)
  }

  const appendToSeveral = async (shares: ReadonlyMap<number, Share>, total: number): Promise<AppendOutcome[]> => {
    const settled = await Promise.allSettled(
      [...shares].map(async ([number, { batches }]) => await appendTo(number, batches)),
    )
    const failed = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []))
    const unexpected = failed.find((error) => !(error instanceof UnavailableError))
    if (unexpected !== undefined) throw unexpected
    if (failed.length === settled.length) throw failed[0]
    // Those that were stored are acknowledged, whatever became of the others.
    const outcomes = new Array<AppendOutcome>(total)
    for (const [i, { slots }] of [...shares.values()].entries()) {
      const each = settled[i]
      for (const [j, slot] of slots.entries())
        outcomes[slot] = each?.status === 'fulfilled' ? (each.value[j] as AppendOutcome) : failure(each?.reason)
    }
    return outcomes
  }

  return {
    append(batches) {
      const [first] = batches
      if (first === undefined) return Promise.resolve([])
      const number = numberOf(first.topicId, first.partition)
      try {
        // All or none: if some were stored and the request refused, its client would send those again as well.
        waiting.assertRoomFor(lengthOf(batches))
        if (batches.every(({ topicId, partition }) => numberOf(topicId, partition) === number))
          return appendTo(number, batches)
        return appendToSeveral(sharesOf(batches, numberOf), batches.length)
      } catch (error) {
        return Promise.reject(error)
      }
    },

    offsets: (topicId, partition) => logsOf(topicId, partition).offsets(topicId, partition),
    live: (topicId, partition) => logsOf(topicId, partition).live(topicId, partition),
    available: (topicId, partition, offset, bytesMax) =>
      logsOf(topicId, partition).available(topicId, partition, offset, bytesMax),

    reading() {
      const begun: (Reading | undefined)[] = []
      return {
        read(topicId, partition, offset, options) {
          const number = numberOf(topicId, partition)
          begun[number] ??= (ledgers[number] as OpenLedger).logs.reading()
          return begun[number].read(topicId, partition, offset, options)
        },
        release() {
          for (const reading of begun) reading?.release()
        },
      }
    },

    read: (topicId, partition, offset, options) => logsOf(topicId, partition).read(topicId, partition, offset, options),

    async deleteRecords(topicId, partition, offset) {
      const number = numberOf(topicId, partition)
      const { logs } = ledgers[number] as OpenLedger
      const act = () => logs.deleteRecords(topicId, partition, offset)
      const isKnown = () => logs.offsets(topicId, partition) !== undefined
      return isKnown() ? act() : catalogue.behind(number).pass(isKnown, act)
    },

    watch(partitions, wake) {
      const byLedger = new Map<number, TopicPartition[]>()
      for (const each of partitions) {
        const number = numberOf(each.topicId, each.partition)
        const known = byLedger.get(number)
        if (known === undefined) byLedger.set(number, [each])
        else known.push(each)
      }
      const stops = [...byLedger].map(([number, own]) => (ledgers[number] as OpenLedger).logs.watch(own, wake))
      return () => {
        for (const stop of stops) stop()
      }
    },

    offsetForTime: (topicId, partition, timestampMs) =>
      logsOf(topicId, partition).offsetForTime(topicId, partition, timestampMs),
    offsetOfMaxTimestamp: (topicId, partition) => logsOf(topicId, partition).offsetOfMaxTimestamp(topicId, partition),
  }
}

function sharesOf(
  batches: readonly BatchToAppend[],
  numberOf: (topicId: TopicId, partition: number) => number,
): Map<number, Share> {
  const shares = new Map<number, Share>()
  for (const [slot, batch] of batches.entries()) {
    const number = numberOf(batch.topicId, batch.partition)
    const share = shares.get(number) ?? { batches: [], slots: [] }
    shares.set(number, share)
    share.batches.push(batch)
    share.slots.push(slot)
  }
  return shares
}

function lengthOf(batches: readonly BatchToAppend[]): number {
  let length = 0
  for (const { batch } of batches) length += batch.length
  return length
}

/** Its outcome is unknown: it is to be sent again. */
function failure(reason: unknown): AppendOutcome {
  const errorMessage = reason instanceof Error ? reason.message : String(reason)
  return { errorCode: ErrorCode.KAFKA_STORAGE_ERROR, errorMessage, baseOffset: -1, logStartOffset: -1 }
}
