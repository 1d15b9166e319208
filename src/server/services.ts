import type { Clock } from '../base/clock.js'
import type { Log } from '../base/log.js'
import type { PinnedMemory } from '../base/pinned-memory.js'
import type { Random } from '../base/random.js'
import type { Cluster } from '../state/cluster.js'
import type { Coordinator } from '../state/groups/coordinator.js'
import type { Steering } from '../state/steering/steering.js'
import type { Complaints } from './complaints.js'
import type { Deadlines } from './deadlines.js'
import type { Dispatcher } from './dispatch.js'
import type { PendingAnswers } from './pending-answers.js'
import type { RequestBudget } from './request-budget.js'
import type { RequestObserver } from './request-observer.js'
import type { ServerConfig } from './server-config.js'

/** The bounds of connections; `limits` has the defaults. */
export interface ConnectionLimits {
  readonly frameBytesMax: number
  readonly inFlightPerConnection: number
  readonly responseBytesPendingMax: number
  readonly idleTimeoutMs: number
  readonly handshakeTimeoutMs: number
  readonly frameStallTimeoutMs: number
  readonly writeStallTimeoutMs: number
}

/** What all connections of a listener share. */
export interface Services {
  readonly cluster: Cluster
  readonly groups: Coordinator
  readonly config: ServerConfig
  /** Not there if clients are told of this instance alone. */
  readonly steering?: Steering | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly dispatcher: Dispatcher
  readonly observer: RequestObserver
  readonly budget: RequestBudget
  /** Where requests are received. */
  readonly frames: PinnedMemory
  readonly pendingAnswers: PendingAnswers
  /** When requests are given up. */
  readonly deadlines: Deadlines
  readonly complaints: Complaints
  readonly limits: ConnectionLimits
  /** An invariant of ours is broken: the process is to stop. */
  readonly fatal: (error: Error) => void
}
