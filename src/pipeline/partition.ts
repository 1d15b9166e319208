import { AssertionError } from '../base/assert.js'
import type { Clock } from '../base/clock.js'
import { messageOf } from '../base/errors.js'
import type { Log } from '../base/log.js'
import type { Random } from '../base/random.js'
import type { Budget } from './budget.js'
import type { Source, SourceRecord, Step, ValueFormat } from './component.js'
import type { DeadLetter, DeadLetters } from './dead-letter.js'
import type { Lane } from './lane.js'
import type { PipelineObserver } from './observer.js'
import type { Delivery, Progress } from './progress.js'
import { decodeRecord, type PipelineRecord } from './record.js'
import { backoffMs } from './retry.js'

export interface PartitionOptions {
  pipeline: string
  topic: string
  partition: number
  format: ValueFormat
  source: Source
  steps: readonly { name: string; step: Step }[]
  lanes: readonly Lane[]
  progress: Progress
  deadLetters: DeadLetters
  budget: Budget
  /** Lets so many partitions at a time hold what they have read. */
  reading: Budget
  readBytes: number
  clock: Clock
  random: Random
  log: Log
  observer: PipelineObserver
  /** Aborted when no more is to be read: the pipeline is stopping. */
  stopping: AbortSignal
}

/** A record is handled in its turn so many times before other work of the process is let in. */
const recordsPerTurn = 250
const deadLettersPerWrite = 250
const readRetry = { attempts: Number.POSITIVE_INFINITY, intervalMs: 200, maxIntervalMs: 30_000 }

/**
 * Reads one partition and hands its records, through the steps, to the lanes. Resolves when `stopping` is aborted,
 * or the partition is gone.
 * @throws PipelineFailure when a record can't be handled and there is no dead-letter topic.
 */
export async function runPartition(options: PartitionOptions): Promise<void> {
  const { pipeline, topic, partition, source, progress, clock, random, log, observer, stopping } = options
  const latch = createLatch(stopping)
  const unwatch = source.watch(partition, latch.wake)
  let failures = 0
  let next = progress.position
  try {
    while (!stopping.aborted) {
      const bounds = source.bounds(partition)
      if (bounds === undefined) return
      if (next < bounds.start) {
        log.warn(
          { pipeline, topic, partition, from: next, to: bounds.start },
          'records were deleted before they were read',
        )
        next = bounds.start
        progress.skipTo(next)
      }
      if (next >= bounds.end) {
        await latch.opened()
        continue
      }
      try {
        next = await readOnce(options, next)
        failures = 0
      } catch (error) {
        if (stopping.aborted) return
        if (!(error instanceof ReadError)) throw error
        failures++
        observer.failed(pipeline, topic, 'read')
        log.warn({ pipeline, topic, partition, offset: next, err: error.cause }, 'reading failed, will be tried again')
        await clock.sleep(backoffMs(readRetry, failures, random), stopping)
      }
    }
  } finally {
    unwatch()
    latch.close()
  }
}

class ReadError extends Error {}

async function readOnce(options: PartitionOptions, offset: number): Promise<number> {
  const { source, partition, progress, budget, reading, readBytes, clock, stopping } = options
  await reading.take(readBytes, stopping)
  const refused: { letter: DeadLetter; delivery: Delivery }[] = []
  const bury = async () => {
    const burying = refused.splice(0)
    await options.deadLetters.write(
      burying.map(({ letter }) => letter),
      stopping,
    )
    for (const { delivery } of burying) delivery.done()
  }
  try {
    const chunk = await source.read(partition, offset, readBytes).catch((cause) => {
      throw new ReadError(messageOf(cause), { cause })
    })
    let handled = 0
    for (const record of chunk.records) {
      const turn = budget.take(record.bytes, stopping)
      if (turn !== undefined) {
        // What is refused counts as under way too: nobody else would make room.
        await bury()
        await turn
      }
      const startedMs = clock.monotonic()
      const delivery = progress.begin(record.offset, () => {
        budget.release(record.bytes)
        options.observer.processed(options.pipeline, options.topic, (clock.monotonic() - startedMs) / 1000)
      })
      const letter = await handleRecord(options, record, delivery)
      if (letter === undefined) delivery.done()
      else if (refused.push({ letter, delivery }) >= deadLettersPerWrite) await bury()
      if (++handled % recordsPerTurn === 0) await new Promise<void>((resolve) => clock.soon(resolve))
      stopping.throwIfAborted()
    }
    await bury()
    progress.skipTo(chunk.nextOffset)
    return chunk.nextOffset
  } finally {
    reading.release(readBytes)
  }
}

/** Takes the record through the steps into the lanes; gives the dead letter if it can't be. */
async function handleRecord(
  options: PartitionOptions,
  stored: SourceRecord,
  delivery: Delivery,
): Promise<DeadLetter | undefined> {
  const { pipeline, topic, partition, format, lanes, observer } = options
  let at = 'read'
  try {
    if (stored.unreadable !== undefined) throw new Error(stored.unreadable)
    let records: readonly PipelineRecord[] = [decodeRecord(stored, topic, partition, format)]
    for (const { name, step } of options.steps) {
      at = name
      records = await applyStep(step, records)
      observer.stepped(pipeline, name, false)
      if (records.length === 0) break
    }
    if (records.length === 0) observer.filtered(pipeline, topic)
    for (const record of records) for (const lane of lanes) lane.add(record, stored, delivery)
    return undefined
  } catch (error) {
    if (error instanceof AssertionError) throw error
    const stage = at === 'read' ? 'read' : 'transform'
    if (stage === 'transform') observer.stepped(pipeline, at, true)
    observer.failed(pipeline, topic, stage)
    return { record: stored, partition, stage, component: at, error: messageOf(error), attempts: 1 }
  }
}

async function applyStep(step: Step, records: readonly PipelineRecord[]): Promise<readonly PipelineRecord[]> {
  const [only] = records
  if (records.length === 1 && only !== undefined) return step.apply(only)
  const out: PipelineRecord[] = []
  for (const record of records) out.push(...(await step.apply(record)))
  return out
}

/** Waits to be woken; a wake-up while nobody waits is remembered. */
function createLatch(signal: AbortSignal) {
  let isOpen = false
  let open: (() => void) | undefined
  const wake = () => {
    isOpen = true
    open?.()
  }
  signal.addEventListener('abort', wake)
  return {
    wake,
    async opened(): Promise<void> {
      if (!isOpen) {
        await new Promise<void>((resolve) => {
          open = resolve
        })
      }
      isOpen = false
      open = undefined
    },
    close: () => signal.removeEventListener('abort', wake),
  }
}
