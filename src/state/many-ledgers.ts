import type { Pins } from '../base/pinned-memory.js'
import type { Leases, PipelineOffsets, Producers } from './cluster.js'
import { RoutedCoordinator } from './groups/routed-coordinator.js'
import type { WaitingBytes } from './ledger/waiting-bytes.js'
import { Catalogue } from './ledgers/catalogue.js'
import { routedLogs } from './ledgers/routed-logs.js'
import type { ClusterOptions, OpenCluster } from './open-cluster.js'
import type { OpenLedger } from './open-ledger.js'
import { ledgerOfGroup } from './routing.js'

export interface ManyLedgersOptions extends ClusterOptions {
  clusterId: string
  /** By their numbers, at least two. */
  ledgers: readonly OpenLedger[]
  waiting: WaitingBytes
  pins: Pins
  producers: Producers
}

/**
 * A cluster whose partitions and groups are spread over several ledgers, each an order of its own. The first is home to
 * the topics and gives producer ids; no promise spans two others.
 */
export function manyLedgers(options: ManyLedgersOptions): OpenCluster {
  const { clusterId, ledgers, clock, random, log, waiting, pins, producers } = options
  const proposers = ledgers.map(({ ledger }) => ledger)
  const [home] = ledgers as [OpenLedger, ...OpenLedger[]]
  const catalogue = new Catalogue({ proposers, clock, random, log })
  const ofGroup = (groupId: string) => ledgers[ledgerOfGroup(groupId, ledgers.length)] as OpenLedger
  const sum = (of: (ledger: OpenLedger) => number) => ledgers.reduce((total, ledger) => total + of(ledger), 0)

  /** A lease is in the ledger of the group whose offsets are committed under it: both are one command. */
  const leases: Leases = {
    acquire: (name, signal, groupId = name) => ofGroup(groupId).leases.acquire(name, signal),
  }
  const pipelineOffsets: PipelineOffsets = {
    committed: (groupId, topic, partition) => ofGroup(groupId).pipelineOffsets.committed(groupId, topic, partition),
    commit(groupId, topic, offsets, lease) {
      const number = ledgerOfGroup(groupId, ledgers.length)
      const act = () => ofGroup(groupId).pipelineOffsets.commit(groupId, topic, offsets, lease)
      const isReady = () => !catalogue.isAhead(number)
      const behind = catalogue.behind(number)
      return isReady() && !behind.isAwaited ? act() : behind.pass(isReady, act)
    },
  }

  return {
    clusterId,
    topics: catalogue,
    logs: routedLogs({ ledgers, catalogue, waiting, pins }),
    producers,
    leases,
    pipelineOffsets,
    proposer: home.ledger,
    proposers,
    ledgerSequence: (number = 0) => proposers[number]?.sequence ?? 0,
    cachedBytes: () => sum(({ bytes }) => bytes.bytes),
    heldBytes: () => sum(({ bytes }) => bytes.heldBytes),
    idleBytes: () => sum(({ bytes }) => bytes.pool.idleBytes),
    openGroups: (groups) => new RoutedCoordinator({ ...groups, proposers, catalogue }),

    async barrier() {
      await Promise.all(proposers.map((proposer) => proposer.barrier()))
      // What is known to be there by now is to be found there: also what somebody changed who died over it.
      await catalogue.carry()
    },

    unhealthy() {
      for (const [number, ledger] of ledgers.entries()) {
        const reason = ledger.unhealthy()
        if (reason !== undefined) return `ledger ${number}: ${reason}`
      }
      return undefined
    },

    async close() {
      catalogue.close()
      const outcomes = await Promise.allSettled(ledgers.map((ledger) => ledger.close()))
      for (const each of outcomes) if (each.status === 'rejected') throw each.reason
    },
  }
}
