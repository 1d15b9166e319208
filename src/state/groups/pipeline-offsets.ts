import { ErrorCode, errorName } from '../../protocol/error-codes.js'
import type { CommittedOffset, Lease, PipelineOffsets } from '../cluster.js'
import type { Proposer } from '../ledger/proposer.js'

/** The offsets of this process's pipelines. */
export function pipelineOffsets({ proposer }: { proposer: Proposer }): PipelineOffsets {
  return new LedgerPipelineOffsets(proposer)
}

/**
 * Offsets of pipelines, kept as those of a group that nobody joins, so that Kafka's tools show them and their lag.
 * A lease's term fences: after another instance has taken the lease, a late commit of the former holder is refused.
 */
class LedgerPipelineOffsets implements PipelineOffsets {
  readonly #proposer: Proposer

  constructor(proposer: Proposer) {
    this.#proposer = proposer
  }

  /** @throws UnavailableError when the ledger's tail can't be confirmed. */
  async committed(groupId: string, topic: string, partition: number): Promise<CommittedOffset | undefined> {
    await this.#proposer.barrier()
    const stored = this.#proposer.state.offsets.get(groupId, topic, partition)
    if (stored === undefined) return undefined
    const { offset, leaderEpoch, metadata, committedAtMs } = stored
    return { offset, leaderEpoch, metadata, committedAtMs }
  }

  /**
   * @throws UnavailableError when the ledger can't be reached: the outcome is then unknown. Error when consumers have
   * joined a group of that name, or the topic is not there.
   */
  async commit(groupId: string, topic: string, offsets: ReadonlyMap<number, number>, lease?: Lease): Promise<boolean> {
    const { errorCode, partitionErrorCodes } = await this.#proposer.propose('commitOffsets', {
      groupId,
      memberId: '',
      groupInstanceId: null,
      generationId: -1,
      topics: [
        {
          name: topic,
          id: null,
          partitions: [...offsets].map(([partition, offset]): [number, number, number, string] => [
            partition,
            offset,
            -1,
            '',
          ]),
        },
      ],
      lease: lease === undefined ? null : { name: lease.name, term: lease.term },
    })
    if (errorCode === ErrorCode.FENCED_MEMBER_EPOCH) return false
    const refusal = [errorCode, ...partitionErrorCodes.flat()].find((code) => code !== ErrorCode.NONE)
    if (refusal !== undefined)
      throw new Error(`offsets of ${topic} could not be committed for ${groupId}: ${errorName(refusal)}`)
    return true
  }
}
