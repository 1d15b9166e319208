import type { AppendOutcome, BatchToAppend } from '../cluster.js'
import type { CommandKind } from '../views/commands.js'
import { pack } from './entry.js'

/** The numbers of a batch's header that the ledger keeps. */
export interface BatchNumbers {
  recordCount: number
  maxTimestampMs: number
  producerId: number
  producerEpoch: number
  baseSequence: number
}

/** A call of `append`: it is answered when each of its batches has an outcome. */
export interface AppendRequest {
  outcomes: AppendOutcome[]
  missing: number
  resolve(outcomes: AppendOutcome[]): void
  reject(error: Error): void
}

/** What waits to be flushed, in the order in which it was proposed. */
export type Proposal =
  | { kind: 'append'; batch: BatchToAppend; numbers: BatchNumbers; request: AppendRequest; slot: number }
  | {
      kind: 'command'
      name: CommandKind
      command: unknown
      resolve(outcome: unknown): void
      reject(error: Error): void
    }

/** The content of a part, and who waits for its commands' outcomes. */
export interface PartContent {
  commands: Buffer
  body: Buffer[]
  bodyLength: number
  /** Answers the proposals, given one outcome for each command. */
  settle(outcomes: unknown[]): void
  reject(error: Error): void
}

/** Makes proposals into the commands of one part. Appends that stand together become one command. */
export function buildPart(proposals: readonly Proposal[]): PartContent {
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
    const appends = proposals.slice(at, end) as Append[]
    const command = appendCommand(appends, body)
    commands.push('append', command.command, command.length)
    bodyLength += command.length
    settlers.push(command.settle)
    at = end
  }
  return {
    commands: pack(commands),
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

type Append = Extract<Proposal, { kind: 'append' }>

/** Batches of one partition are put side by side, so that they become one range. Their order among themselves stays. */
function appendCommand(appends: Append[], body: Buffer[]) {
  const topics: string[] = []
  const indexOf = new Map<string, number>()
  const keyed = appends.map((append) => {
    const { topicId, partition } = append.batch
    let topic = indexOf.get(topicId)
    if (topic === undefined) {
      topic = topics.push(topicId) - 1
      indexOf.set(topicId, topic)
    }
    return { append, topic, partition }
  })
  if (keyed.length > 1) keyed.sort((a, b) => a.topic - b.topic || a.partition - b.partition)
  const batches: number[] = []
  let length = 0
  for (const { append, topic, partition } of keyed) {
    const { recordCount, maxTimestampMs, producerId, producerEpoch, baseSequence } = append.numbers
    const bytes = append.batch.batch
    batches.push(
      topic,
      partition,
      bytes.length,
      recordCount,
      maxTimestampMs,
      producerId,
      producerEpoch,
      baseSequence,
      0,
    )
    body.push(bytes)
    length += bytes.length
  }
  return {
    command: { topics, batches },
    length,
    settle(outcome: unknown) {
      const outcomes = outcome as AppendOutcome[]
      for (let i = 0; i < keyed.length; i++) {
        const { request, slot } = (keyed[i] as (typeof keyed)[number]).append
        request.outcomes[slot] = outcomes[i] as AppendOutcome
        if (--request.missing === 0) request.resolve(request.outcomes)
      }
    },
  }
}
