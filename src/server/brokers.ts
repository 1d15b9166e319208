import type { TopicId } from '../state/cluster.js'
import type { Broker, Steering } from '../state/steering/steering.js'
import type { ServerConfig } from './server-config.js'

/** What clients are told: which brokers there are, and to which of them they are to send what. */
export interface Brokers {
  readonly all: readonly Broker[]
  readonly controllerId: number
  leaderOf(topicId: TopicId, partition: number): number
  coordinatorOf(groupId: string): Broker
}

interface Context {
  readonly config: ServerConfig
  /** Not there if clients are told of this instance alone. */
  readonly steering?: Steering | undefined
}

/** This instance, at the address that is configured. */
export function ownBroker({ config, steering }: Context): Broker {
  const { nodeId, advertisedHost, advertisedPort, rack } = config
  return { nodeId: steering?.nodeId ?? nodeId, host: advertisedHost, port: advertisedPort, rack: rack ?? null }
}

/** The brokers as this instance knows them now. */
export function brokersOf(context: Context): Brokers {
  const { steering } = context
  const own = ownBroker(context)
  const all = steering?.brokers() ?? []
  // It is alone, or about to end and the last one.
  if (steering === undefined || all.length === 0)
    return { all: [own], controllerId: own.nodeId, leaderOf: () => own.nodeId, coordinatorOf: () => own }
  const byId = new Map(all.map((broker) => [broker.nodeId, broker]))
  return {
    all,
    controllerId: steering.controllerOf(all) ?? own.nodeId,
    leaderOf: (topicId, partition) => steering.leaderOf(all, topicId, partition) ?? own.nodeId,
    coordinatorOf: (groupId) => byId.get(steering.coordinatorOf(all, groupId) ?? own.nodeId) ?? own,
  }
}
