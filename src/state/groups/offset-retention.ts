import type { Clock, Timer } from '../../base/clock.js'
import { messageOf, UnavailableError } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import type { Proposer } from '../ledger/proposer.js'
import type { Group } from '../views/group.js'
import type { ExpireOffsetsCommand } from '../views/offsets.js'

/** Kafka's `offsets.retention.check.interval.ms`. */
const checkIntervalMs = 600_000
/** Offsets in one command at most; the rest goes into further ones. */
const offsetsPerCommandMax = 1000

/**
 * Which offsets does nobody want any more? Those of a group that has been empty for `offsets.retention.minutes`,
 * counted from the last commit if that was later; a group that has none left is deleted with them. Each instance
 * looks now and then; a command has no effect on what has changed since its proposer looked.
 */
export class OffsetRetention {
  readonly #proposer: Proposer
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #retentionMs: number
  #timer: Timer | undefined
  #isClosed: boolean = false

  constructor(options: { proposer: Proposer; clock: Clock; random: Random; log: Log; retentionMs: number }) {
    this.#proposer = options.proposer
    this.#clock = options.clock
    this.#random = options.random
    this.#log = options.log
    this.#retentionMs = options.retentionMs
    this.#schedule()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  /** With jitter, so that several instances do not look at the same time. */
  #schedule(): void {
    if (this.#isClosed) return
    this.#timer = this.#clock.after(checkIntervalMs * (0.75 + this.#random.next() / 2), () => void this.#check())
  }

  async #check(): Promise<void> {
    try {
      await this.#proposer.barrier()
      for (const group of [...this.#proposer.state.groups.all()])
        for (const command of this.#expiredOf(group)) {
          if (this.#isClosed) return
          const { removedCount, isGroupRemoved } = await this.#proposer.propose('expireOffsets', command)
          const { groupId } = command
          this.#log.info({ groupId, removedCount, isGroupRemoved }, 'offsets of an empty group have expired')
        }
    } catch (error) {
      if (!(error instanceof UnavailableError))
        this.#log.error({ error: messageOf(error) }, 'looking for expired offsets failed')
    } finally {
      this.#schedule()
    }
  }

  #expiredOf(group: Group): ExpireOffsetsCommand[] {
    if (group.phase !== 'empty' || group.pendingMembers.size > 0) return []
    const { groupId } = group
    // Days are measured here, so wall clocks will do. A simple group has never been anything but empty.
    const emptySinceMs = group.protocolType === null ? 0 : group.emptySince.timeMs
    const expiresBeforeMs = this.#clock.now() - this.#retentionMs
    const expired: ExpireOffsetsCommand['offsets'] = []
    let count = 0
    for (const [topic, partitions] of this.#proposer.state.offsets.ofGroup(groupId))
      for (const [partition, { committedAtMs, position }] of partitions) {
        count++
        if (Math.max(committedAtMs, emptySinceMs) <= expiresBeforeMs) expired.push([topic, partition, position])
      }
    const emptySince = group.emptySince.position
    // A group without offsets has nothing that is worth keeping once it is empty.
    if (count === 0) return [{ groupId, emptySince, offsets: [] }]
    const commands: ExpireOffsetsCommand[] = []
    for (let i = 0; i < expired.length; i += offsetsPerCommandMax)
      commands.push({ groupId, emptySince, offsets: expired.slice(i, i + offsetsPerCommandMax) })
    return commands
  }
}
