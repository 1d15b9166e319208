import type { Pins } from '../../base/pinned-memory.js'
import type { AppendOutcome } from '../cluster.js'
import type { CommandKind } from '../views/commands.js'
import type { AppendCommand } from '../views/partition-log.js'
import { type AppendProposal, settleAppend } from './append.js'
import { pack } from './entry.js'
import { Packing } from './packing.js'

/** A command that waits to be flushed. */
export interface CommandProposal {
  kind: 'command'
  name: CommandKind
  command: unknown
  resolve(outcome: unknown): void
  reject(error: Error): void
}

/** What waits to be flushed, in the order in which it was proposed. */
export type Proposal = AppendProposal | CommandProposal

/** The content of a part, and who waits for its commands' outcomes. */
export interface PartContent {
  commands: Buffer
  /** What unpacking the commands gives, if it needs not be unpacked to be known. */
  plain: readonly unknown[] | undefined
  body: Buffer[]
  bodyLength: number
  /** Answers the proposals, given one outcome for each command. */
  settle(outcomes: unknown[]): void
  reject(error: Error): void
}

/**
 * Makes proposals, whose order among themselves it may change, into the commands of one part. Appends that stand
 * together become one command.
 */
export function buildPart(proposals: Proposal[], pins: Pins): PartContent {
  const commands: unknown[] = []
  const body: Buffer[] = []
  const settlers: ((outcome: unknown) => void)[] = []
  let bodyLength = 0
  for (let at = 0; at < proposals.length; ) {
    const proposal = proposals[at] as Proposal
    if (proposal.kind === 'command') {
      commands.push(proposal.name, proposal.command, 0)
      settlers.push(proposal.resolve)
      at++
      continue
    }
    let end = at
    while (proposals[end]?.kind === 'append') end++
    const appends = (end - at === proposals.length ? proposals : proposals.slice(at, end)) as AppendProposal[]
    const { command, length } = appendCommand(appends, body)
    commands.push('append', command, length)
    bodyLength += length
    settlers.push((outcome) => settleAppends(appends, outcome as AppendOutcome[], pins))
    at = end
  }
  const isOneAppend = commands.length === 3 && commands[0] === 'append'
  return {
    commands: isOneAppend ? packAppend(commands[1] as AppendCommand, bodyLength) : pack(commands),
    plain: isOneAppend ? commands : undefined,
    body,
    bodyLength,
    settle(outcomes) {
      for (let i = 0; i < settlers.length; i++) settlers[i]?.(outcomes[i])
    },
    reject(error) {
      for (const proposal of proposals) (proposal.kind === 'append' ? proposal.request : proposal).reject(error)
    },
  }
}

function settleAppends(appends: readonly AppendProposal[], outcomes: readonly AppendOutcome[], pins: Pins): void {
  for (let i = 0; i < appends.length; i++) {
    const append = appends[i] as AppendProposal
    pins.unpin(append.batch)
    settleAppend(append, outcomes[i] as AppendOutcome)
  }
}

/** Batches of one partition are put side by side, so that they become one range. Their order among themselves stays. */
function appendCommand(appends: AppendProposal[], body: Buffer[]): { command: AppendCommand; length: number } {
  const topics = numberTopics(appends)
  sortByPartition(appends)
  const batches: number[] = []
  let length = 0
  for (const append of appends) {
    const { topic, partition, batch, recordCount, maxTimestampMs, producerId, producerEpoch, baseSequence } = append
    batches.push(topic, partition, batch.length, recordCount, maxTimestampMs)
    batches.push(producerId, producerEpoch, baseSequence, 0)
    body.push(batch)
    length += batch.length
  }
  return { command: { topics, batches }, length }
}

/** The topics in the order of their first batches. */
function numberTopics(appends: readonly AppendProposal[]): string[] {
  const topics: string[] = []
  const indexOf = new Map<string, number>()
  let last = -1
  for (const append of appends) {
    if (append.topicId !== topics[last]) {
      last = indexOf.get(append.topicId) ?? topics.push(append.topicId) - 1
      indexOf.set(append.topicId, last)
    }
    append.topic = last
  }
  return topics
}

/** So few are quicker sorted in place, by insertion, than by what sorts any number. */
const insertedMax = 32

function sortByPartition(appends: AppendProposal[]): void {
  if (appends.length > insertedMax) {
    appends.sort(byPartition)
    return
  }
  for (let end = 1; end < appends.length; end++) {
    const append = appends[end] as AppendProposal
    let at = end
    for (; at > 0; at--) {
      const before = appends[at - 1] as AppendProposal
      if (byPartition(before, append) <= 0) break
      appends[at] = before
    }
    appends[at] = append
  }
}

const byPartition = (a: AppendProposal, b: AppendProposal) => a.topic - b.topic || a.partition - b.partition

const packing = new Packing()

/** What `pack` makes of the one command. */
export function packAppend({ topics, batches }: AppendCommand, bodyLength: number): Buffer {
  packing.begin()
  packing.array(3)
  packing.string('append')
  packing.map(2)
  packing.string('topics')
  packing.array(topics.length)
  for (const topic of topics) packing.string(topic)
  packing.string('batches')
  packing.array(batches.length)
  for (const number of batches) packing.integer(number)
  packing.integer(bodyLength)
  return packing.finish()
}
