import { BufferPool } from './base/buffer-pool.js'
import type { Clock } from './base/clock.js'
import type { Log } from './base/log.js'
import { createMetrics } from './base/metrics.js'
import { PinnedMemory } from './base/pinned-memory.js'
import type { Random } from './base/random.js'
import { type Config, ConfigError } from './config.js'
import { watchEventLoop } from './metrics/event-loop-delay.js'
import { bindMetrics } from './metrics.js'
import { handlers } from './server/handlers/table.js'
import { type HttpServer, type OperatorsView, startHttpServer } from './server/http/http-server.js'
import { listen } from './server/listener.js'
import type { ServerConfig } from './server/server-config.js'
import { LedgerCountError } from './state/ledger/identity.js'
import { checkStore } from './state/ledger/probe.js'
import { type OpenCluster, openCluster } from './state/open-cluster.js'
import { Steering } from './state/steering/steering.js'
import { metered, type StoreObserver } from './state/store/metered.js'
import type { ObjectStore } from './state/store/object-store.js'
import { openStore } from './state/store/open.js'
import { retrying, withRetries } from './state/store/retrying.js'
import { CleaningWorker } from './workers/cleaning-worker.js'

export interface GatewayOptions {
  clock: Clock
  random: Random
  log: Log
  /** This instance can't go on. */
  onFatal(error: Error): void
  /** Shows operators this instance, in the place of an HTTP server at the configured port. */
  show?: ((view: OperatorsView) => HttpServer) | undefined
}

/** A running gateway. */
export interface Gateway {
  readonly kafkaPort: number
  readonly metricsPort: number
  /**
   * Answers what is under way, says good-bye in the ledger, closes the ports. Before that it goes on for `delayMs`
   * with `/readyz` at 503, so that load balancers turn to other instances; not so long if it can't go on.
   */
  close(delayMs: number): Promise<void>
}

/** What clients have under way is answered at shutdown within this time, milliseconds. */
const drainMs = 10_000
/** Of an instance that can't go on, which refuses everything, within this time. */
const failedDrainMs = 1_000
/** A read of the store is tried again for so long before it counts as failed, milliseconds. */
const storeRetryMs = 3_000
/** Attempts to check at the start that the store honours create-if-absent. */
const checksMax = 4
/** Record bytes that may wait to be stored. */
const waitingBytesMax = 512 * 1024 * 1024
/** Kafka's `offset.metadata.max.bytes`. */
const offsetMetadataBytesMax = 4096

/**
 * Puts a gateway together from its parts, innermost first: store, state, groups, ports, pipelines.
 * @throws ConfigError, StoreError, UnavailableError or the system's error if one of them can't be started; what was
 * started before is closed again.
 */
export async function startGateway(config: Config, options: GatewayOptions): Promise<Gateway> {
  const started: Close[] = []
  const close = async (delayMs: number) => {
    for (let end = started.pop(); end !== undefined; end = started.pop()) await end(delayMs)
  }
  try {
    const ports = await start(config, options, (end) => started.push(end))
    return { ...ports, close }
  } catch (error) {
    await close(0)
    throw error
  }
}

/** Ends a part of the gateway. The first is told how long those who send clients may take to notice. */
type Close = (delayMs: number) => Promise<void>

async function start(config: Config, options: GatewayOptions, onClose: (end: Close) => void) {
  const { clock, random, log } = options
  const failed = new AbortController()
  const onFatal = (error: Error) => {
    failed.abort()
    options.onFatal(error)
  }
  const { heraclitus, storage } = config
  const metrics = createMetrics()
  const observers = bindMetrics(metrics)
  const eventLoop = watchEventLoop(observers.eventLoopDelay, clock)
  onClose(async () => eventLoop.stop())

  // Checked before anything is started: a mistake in a pipeline is a mistake in the configuration.
  const pipelines = config.pipelines.length === 0 ? undefined : await loadPipelines(config)

  const store = await openConfiguredStore(config, options, observers.store)
  // What is kept of requests for readers, and as much of those under way, is used again without being left to the collector.
  const frames = new PinnedMemory(new BufferPool(storage.cacheBytes))
  const cleaningWork = new CleaningWorker({ clock, log, observer: observers.cleaningWorker })
  onClose(() => cleaningWork.close())
  const cluster = await openCluster({
    store,
    clock,
    random,
    log,
    settings: { ...storage, waitingBytesMax },
    pins: frames,
    cacheObserver: observers.cache,
    purposeObserver: observers.purposes,
    observersOf: observers.ofLedger,
    cleaningWork,
    onFatal,
  }).catch(async (error: unknown) => {
    await store.close()
    if (!(error instanceof LedgerCountError)) throw error
    throw new ConfigError([
      `storage.ledgers = ${storage.ledgers}: expected ${error.ledgers}, or no value: ${error.message}`,
    ])
  })
  onClose(() => cluster.close())
  observers.sample(cluster, frames)

  const groups = cluster.openGroups({ clock, random, log, limits: { ...heraclitus, offsetMetadataBytesMax } })
  onClose(async () => groups.close())

  // Open before the Kafka port, and until after: what probes and scrapes see then is that it is not.
  let notServing: string | undefined = 'starting'
  const view: OperatorsView = {
    metrics,
    health: () => ({ reason: notServing ?? cluster.unhealthy(), details: details(cluster, store) }),
  }
  const address = { host: heraclitus.metricsHost, port: heraclitus.metricsPort }
  const http = options.show?.(view) ?? (await startHttpServer({ ...address, ...view, log }))
  onClose(() => http.close())

  const { proposer, proposers } = cluster
  const steering = heraclitus.steering
    ? new Steering({ proposer, ledgers: proposers.length, clock, random, log })
    : undefined
  const listener = await listen({
    cluster,
    groups,
    config: (port) => serverConfig(config, port),
    steering,
    clock,
    random,
    log,
    frames,
    observer: observers.requests,
    handlers,
    fatal: onFatal,
    host: heraclitus.kafkaHost,
    port: heraclitus.kafkaPort,
    connectionsMax: heraclitus.connectionsMax,
    idleTimeoutMs: heraclitus.connectionsMaxIdleMs,
    limits: { frameBytesMax: heraclitus.socketRequestMaxBytes },
  })
  onClose(() => listener.close(failed.signal.aborted ? failedDrainMs : drainMs))

  const { advertisedHost: host, advertisedPort: port = listener.port, rack = null } = heraclitus
  await steering?.begin({ host, port, rack })

  let running: { close(): Promise<void> } | undefined
  if (pipelines !== undefined) {
    const { start: startPipelines, specs, observer } = pipelines
    running = startPipelines(specs, { cluster, clock, random, log, observer: observer(metrics) })
  }
  notServing = undefined
  onClose(async (delayMs) => {
    notServing = 'shutting down'
    await Promise.all([running?.close(), steering?.withdraw(), clock.sleep(delayMs, failed.signal)])
  })
  log.info(
    { kafkaPort: listener.port, ...(http.port > 0 ? { metricsPort: http.port } : {}), store: store.url },
    'listening',
  )
  return { kafkaPort: listener.port, metricsPort: http.port }
}

async function openConfiguredStore(
  { storage }: Config,
  { clock, random, log }: GatewayOptions,
  observer: StoreObserver,
): Promise<ObjectStore> {
  const { url, fsync, mmap, endpoint, region, forcePathStyle } = storage
  const bare = await openStore(url, {
    fsync,
    mmap,
    s3: given({ endpoint, region, forcePathStyle }),
    clock,
    random,
    log,
  })
  const store = retrying(metered(bare, observer, clock), { clock, random, totalMs: storeRetryMs })
  try {
    // A file system is known to honour create-if-absent; of a server we make sure.
    if (store.kind !== 'paid') return store
    // A put that fails, as some do, is not repeated by the store itself; the check uses other keys the next time.
    await withRetries(() => checkStore(store, random), { clock, random, attemptsMax: checksMax })
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Without the keys that are not set: a default may stand for them. */
function given<Options extends object>(
  options: Options,
): { [Key in keyof Options]?: Exclude<Options[Key], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Options]?: Exclude<Options[Key], undefined>
  }
}

/** The pipelines and what they need are loaded only where there are some. */
async function loadPipelines(config: Config) {
  const pipelines = await import('./pipeline/start.js')
  try {
    const specs = pipelines.parsePipelines(config.pipelines)
    await pipelines.lintPipelines(specs)
    return { specs, start: pipelines.startPipelines, observer: pipelines.pipelineMetrics }
  } catch (error) {
    if (!(error instanceof pipelines.PipelineConfigError)) throw error
    throw new ConfigError([`${config.where(['pipeline', ...error.path])}: ${error.message}`])
  }
}

function serverConfig({ heraclitus }: Config, port: number): ServerConfig {
  return {
    nodeId: heraclitus.nodeId,
    advertisedHost: heraclitus.advertisedHost,
    advertisedPort: heraclitus.advertisedPort ?? port,
    rack: heraclitus.rack,
    autoCreateTopics: heraclitus.autoCreateTopics,
    defaultPartitions: heraclitus.defaultPartitions,
    defaultReplicationFactor: heraclitus.defaultReplicationFactor,
    saslEnabled: heraclitus.saslEnabled,
    saslPlainUsername: heraclitus.saslPlainUsername ?? '',
    saslPlainPassword: heraclitus.saslPlainPassword ?? '',
  }
}

function details(cluster: OpenCluster, store: ObjectStore): Record<string, string | number> {
  const { clusterId, proposers } = cluster
  const ledgerSequence = proposers.reduce((sum, _, ledger) => sum + cluster.ledgerSequence(ledger), 0)
  return { clusterId, ledgers: proposers.length, ledgerSequence, store: store.url }
}
