import { createServer, type Server, type Socket } from 'node:net'
import type { Clock, Timer } from '../base/clock.js'
import { limits } from '../base/limits.js'
import type { Log } from '../base/log.js'
import type { PinnedMemory } from '../base/pinned-memory.js'
import type { Random } from '../base/random.js'
import type { Cluster } from '../state/cluster.js'
import type { Coordinator } from '../state/groups/coordinator.js'
import type { Steering } from '../state/steering/steering.js'
import { Complaints } from './complaints.js'
import { Connection } from './connection.js'
import { Deadlines } from './deadlines.js'
import { Dispatcher } from './dispatch.js'
import type { Handler } from './handler.js'
import { PendingAnswers } from './pending-answers.js'
import { RequestBudget } from './request-budget.js'
import type { RequestObserver } from './request-observer.js'
import type { ServerConfig } from './server-config.js'
import type { ConnectionLimits, Services } from './services.js'

const sweepMs = 1000

export interface ListenerOptions {
  cluster: Cluster
  groups: Coordinator
  /** What is known once the port is: it is asked for with the port that is listened on. */
  config: (port: number) => ServerConfig
  /** Sends clients to where they are served best; without it they are told of this instance alone. */
  steering?: Steering | undefined
  clock: Clock
  random: Random
  log: Log
  observer: RequestObserver
  handlers: readonly Handler[]
  /** An invariant of ours is broken: the process is to stop. */
  fatal: (error: Error) => void
  /** Address to listen on; all interfaces unless given. */
  host?: string | undefined
  /** 0 takes any free port. */
  port: number
  connectionsMax: number
  /** Where requests are received. */
  frames: PinnedMemory
  /** A connection without a request for so long is closed. */
  idleTimeoutMs: number
  /** Bounds other than those of `limits`. */
  limits?: Partial<ConnectionLimits>
}

/** The Kafka port, open. */
export interface Listener {
  readonly port: number
  /** Connections that are open now. */
  readonly connectionCount: number
  /**
   * Takes no more connections and requests, has what is under way answered, and closes. What is not answered after
   * `graceMs` is dropped.
   */
  close(graceMs: number): Promise<void>
}

/**
 * Opens the Kafka port.
 * @throws the system's error when the port can't be listened on.
 */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { clock, log, observer, connectionsMax } = options
  const connections = new Set<Connection>()
  const complaints = new Complaints(log, clock)
  const deadlines = new Deadlines(clock)
  let whenEmpty = () => {}
  let services: Services | undefined
  // The first connection may come before `listen` is done: to a process of several it is given by the one that listens.
  const ready = () => {
    services ??= servicesAt(portOf(server), options, { complaints, deadlines })
    return services
  }

  const onClosed = (connection: Connection) => {
    connections.delete(connection)
    if (connections.size === 0) whenEmpty()
  }
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket: Socket) => {
    if (connections.size >= connectionsMax) {
      socket.on('error', () => socket.destroy())
      socket.destroy()
      observer.connectionRefused()
      complaints.warn('connection refused: too many are open', { connectionsMax })
      return
    }
    observer.connectionOpened()
    connections.add(new Connection(socket, ready(), onClosed))
  })
  await started(server, options.port, options.host)
  server.on('error', (error) => log.error({ err: error }, 'the Kafka port failed'))
  let sweep: Timer = clock.after(sweepMs, expire)
  function expire() {
    const now = clock.monotonic()
    for (const connection of connections) connection.expire(now)
    sweep = clock.after(sweepMs, expire)
  }

  return {
    port: portOf(server),
    get connectionCount() {
      return connections.size
    },
    async close(graceMs) {
      sweep.cancel()
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()))
      const emptied = new Promise<void>((resolve) => {
        whenEmpty = resolve
      })
      for (const connection of connections) connection.drain()
      if (connections.size > 0) {
        const grace = clock.after(graceMs, () => {
          for (const connection of connections) connection.close('shutdown')
        })
        await emptied
        grace.cancel()
      }
      await stopped
      deadlines.close()
    },
  }
}

function servicesAt(
  port: number,
  options: ListenerOptions,
  { complaints, deadlines }: Pick<Services, 'complaints' | 'deadlines'>,
): Services {
  const { cluster, groups, steering, clock, random, log, observer, frames, fatal } = options
  return {
    cluster,
    groups,
    config: options.config(port),
    steering,
    clock,
    random,
    log,
    dispatcher: new Dispatcher(options.handlers),
    observer,
    frames,
    budget: new RequestBudget(limits.requestBytesInFlightMax),
    pendingAnswers: new PendingAnswers(),
    deadlines,
    complaints,
    limits: { ...limits, idleTimeoutMs: options.idleTimeoutMs, ...options.limits },
    fatal,
  }
}

function portOf(server: Server): number {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new TypeError('the Kafka port is not listened on')
  return address.port
}

function started(server: Server, port: number, host: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host, backlog: 1024 }, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}
