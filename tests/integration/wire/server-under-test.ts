import { Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { systemClock } from '../../../src/base/clock.js'
import { systemRandom } from '../../../src/base/random.js'
import { handlers } from '../../../src/server/handlers/table.js'
import { type Listener, listen } from '../../../src/server/listener.js'
import type { RequestDone, RequestObserver } from '../../../src/server/request-observer.js'
import type { ServerConfig } from '../../../src/server/server-config.js'
import type { ConnectionLimits } from '../../../src/server/services.js'
import { GroupCoordinator } from '../../../src/state/groups/coordinator.js'
import { type OpenCluster, openCluster } from '../../../src/state/open-cluster.js'
import { MemoryBucket, memoryStore } from '../../../src/state/store/memory.js'
import { spoiledMemory } from '../../support/spoiled-memory.js'

export interface ServerOptions {
  config?: Partial<ServerConfig>
  limits?: Partial<ConnectionLimits>
  idleTimeoutMs?: number
  connectionsMax?: number
  /** Shared by instances of one cluster. */
  bucket?: MemoryBucket
}

/** A server on a memory store, in this process. */
export interface ServerUnderTest {
  readonly port: number
  readonly cluster: OpenCluster
  readonly listener: Listener
  /** The log lines so far, each as its fields. */
  readonly lines: Record<string, unknown>[]
  readonly requests: RequestDone[]
  /** How connections ended. */
  readonly closed: string[]
  readonly fatal: Error[]
}

/** Starts one; it is closed when the test ends. */
export async function startServer(context: TestContext, options: ServerOptions = {}): Promise<ServerUnderTest> {
  const lines: Record<string, unknown>[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().trim().split('\n')) lines.push(JSON.parse(line))
      done()
    },
  })
  const log = pino({ level: 'info', base: null }, sink)
  const requests: RequestDone[] = []
  const closed: string[] = []
  const fatal: Error[] = []
  const observer: RequestObserver = {
    connectionOpened() {},
    connectionRefused() {},
    connectionClosed: (reason) => void closed.push(reason),
    requestDone: (request) => void requests.push(request),
  }
  const frames = spoiledMemory()
  const cluster = await openCluster({
    pins: frames,
    store: memoryStore(options.bucket ?? new MemoryBucket()),
    clock: systemClock,
    random: systemRandom,
    log,
    settings: {
      flushIntervalMs: 0,
      flushBytes: 4 * 1024 * 1024,
      maxInflightEntries: 2,
      waitingBytesMax: 2 ** 28,
      pollIntervalMs: 5,
      snapshotEntries: 1000,
      cacheBytes: 16 * 1024 * 1024,
    },
    onFatal: (error) => void fatal.push(error),
  })
  const groups = new GroupCoordinator({
    proposer: cluster.proposer,
    clock: systemClock,
    random: systemRandom,
    log,
    limits: {
      groupMinSessionTimeoutMs: 100,
      groupMaxSessionTimeoutMs: 1_800_000,
      groupInitialRebalanceDelayMs: 0,
      groupMaxSize: 1000,
      offsetsRetentionMinutes: 10_080,
      offsetMetadataBytesMax: 4096,
    },
  })
  const listener = await listen({
    cluster,
    frames,
    groups,
    config: (port) => ({
      nodeId: 1,
      advertisedHost: '127.0.0.1',
      advertisedPort: port,
      autoCreateTopics: true,
      defaultPartitions: 3,
      defaultReplicationFactor: 1,
      saslEnabled: false,
      saslPlainUsername: undefined,
      saslPlainPassword: undefined,
      ...options.config,
    }),
    clock: systemClock,
    random: systemRandom,
    log,
    observer,
    handlers,
    fatal: (error) => void fatal.push(error),
    host: '127.0.0.1',
    port: 0,
    connectionsMax: options.connectionsMax ?? 10_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 600_000,
    ...(options.limits && { limits: options.limits }),
  })
  context.after(async () => {
    await listener.close(1_000)
    groups.close()
    await cluster.close()
  })
  return { port: listener.port, cluster, listener, lines, requests, closed, fatal }
}
