import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import kafkajs from 'kafkajs'
import { freePort } from '../integration/free-port.js'
import { buildRoot } from '../integration/tools.js'
import type { Cast } from './cast.js'
import type { Complaints } from './complaints.js'
import { mebibytes } from './figures.js'
import type { TopicPlan } from './history.js'
import { Instance } from './instance.js'
import type { Victims } from './nemesis.js'
import { faultRate, type SoakStore } from './store.js'

/** The smallest that may be configured: entries are deleted so long after a snapshot covers them. */
export const trimGraceMs = 60_000
/** An instance ends that has not known the ledger's tail for so long: a quarter of it. */
const fenceMs = trimGraceMs / 4
/** Records of topics with retention are kept so long. */
const retentionMs = 60_000
/** A process that was stopped for longer than the fence has ended so long after it goes on: a shutdown takes 30 s at most. */
const fencedWithinMs = 40_000

/** So that segments, snapshots, retention and deletion happen within minutes. */
const settings = {
  HERACLITUS_STORAGE_TRIM_GRACE_MS: String(trimGraceMs),
  HERACLITUS_STORAGE_COMPACT_INTERVAL_MS: '3000',
  HERACLITUS_STORAGE_COMPACT_AGE_MS: '15000',
  HERACLITUS_STORAGE_SEGMENT_BYTES: String(1024 * 1024),
  HERACLITUS_STORAGE_SNAPSHOT_ENTRIES: '200',
  HERACLITUS_GROUP_INITIAL_REBALANCE_DELAY_MS: '500',
  HERACLITUS_AUTO_CREATE_TOPICS: 'false',
}

interface ClusterOptions {
  /** Environment of the instances beside the soak's own. */
  env?: Record<string, string>
  instances: number
  store: SoakStore
  folder: string
  complaints: Complaints
  /** Writes a line to the log of events. */
  note: (text: string) => string
}

/** The instances under test, what is done to them, and what they say. */
export class Cluster {
  readonly instances: Instance[] = []
  readonly #options: ClusterOptions
  #kills = 0
  #terminations = 0
  #pauses = 0
  #longPauses = 0
  #bursts = 0
  #fenced = 0
  #failedStarts = 0
  /** Lines of level error: how often each message came. */
  readonly #errors = new Map<string, number>()

  constructor(options: ClusterOptions) {
    this.#options = options
  }

  get bootstrap(): string {
    return this.instances.map((instance) => instance.bootstrap).join(',')
  }

  /** Starts the instances and creates the topics. */
  async start(topics: readonly TopicPlan[]): Promise<void> {
    const { instances: count, store, folder } = this.#options
    for (let nodeId = 1; nodeId <= count; nodeId++)
      this.instances.push(
        new Instance({
          nodeId,
          port: await freePort(),
          metricsPort: await freePort(),
          env: { ...store.env, ...settings, ...this.#options.env },
          logFile: join(folder, `instance-${nodeId}.log`),
          onEnd: (instance, code, last) => this.#onEnd(instance, code, last),
          onComplaint: (instance, line) => this.#onErrorLine(instance, line),
        }),
      )
    for (const instance of this.instances) instance.start()
    await createTopics(this.bootstrap, topics)
  }

  /** What the nemesis may do, each of it noted. */
  victims(cast: Cast): Victims {
    const { store, note } = this.#options
    const { proxy } = store
    const at = (index: number) => {
      const instance = this.instances[index]
      if (instance === undefined) throw new Error(`there is no instance ${index}`)
      return instance
    }
    return {
      instances: this.instances.length,
      fenceMs,
      trimGraceMs,
      say: note,
      kill: (index) => {
        this.#kills++
        note(`kill -9 of instance ${index + 1}`)
        at(index).kill()
      },
      terminate: (index) => {
        this.#terminations++
        note(`SIGTERM to instance ${index + 1}`)
        at(index).terminate()
      },
      pause: (index, ms, signal) => this.#pause(at(index), ms, signal),
      killMember: (choice) => {
        note('kill -9 of a group member')
        cast.killMember(choice)
      },
      restartStore:
        store.restart === undefined
          ? undefined
          : async (downMs) => {
              note(`the S3 server is killed, for ${Math.round(downMs)} ms`)
              await store.restart?.(downMs)
              note('the S3 server is back')
            },
      burst:
        proxy === undefined
          ? undefined
          : async (rate, ms, signal) => {
              this.#bursts++
              note(`${Math.round(rate * 100)} % of the store's requests fail for ${Math.round(ms)} ms`)
              proxy.faultRate = rate
              await sleep(ms, undefined, { signal }).catch(() => {})
              proxy.faultRate = faultRate
            },
    }
  }

  /** The store makes no more errors. */
  soothe(): void {
    const { proxy } = this.#options.store
    if (proxy !== undefined) proxy.faultRate = 0
  }

  /** Stops all instances in good order. */
  async stop(): Promise<void> {
    const codes = await Promise.all(this.instances.map((instance) => instance.stop()))
    for (const [index, code] of codes.entries())
      if (code !== 0) this.#options.complaints.add('stop', `instance ${index + 1} ended with ${code}`)
  }

  /** Has `heraclitus ledger verify` look through the store; gives what it says. */
  async verify(): Promise<string> {
    const { store, complaints } = this.#options
    const args = [join(buildRoot, 'src/cli/heraclitus.js'), 'ledger', 'verify']
    const { HERACLITUS_CONFIG: _, ...inherited } = process.env
    const env = { ...inherited, ...store.directEnv }
    try {
      const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: tmpdir(), env })
      return stdout
    } catch (error) {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string }
      complaints.add('verify', `${stdout}${stderr}`)
      return `${stdout}${stderr}`
    }
  }

  /** Starts all instances that `destroy` ended. */
  restart(): void {
    for (const instance of this.instances) instance.start()
  }

  /** kill -9 of all instances, for good. */
  async destroy(): Promise<void> {
    await Promise.all(this.instances.map((instance) => instance.destroy()))
  }

  /** Looks how much memory each instance takes. */
  sample(): void {
    for (const instance of this.instances) instance.sample()
  }

  /** A few words about now. */
  summary(): string {
    return `${this.#kills} kills, ${this.#pauses} pauses, ${this.#fenced} fenced, ${this.#options.store.faults()} faults`
  }

  figures(): [string, string | number][] {
    const starts = this.instances.flatMap(({ startTimes }) => startTimes).sort((a, b) => a - b)
    const at = (share: number) => Math.round(starts[Math.floor((starts.length - 1) * share)] ?? 0)
    return [
      ['kills (kill -9)', this.#kills],
      ['orderly restarts (SIGTERM)', this.#terminations],
      ['pauses beyond the fence (beyond the trim grace)', `${this.#pauses} (${this.#longPauses})`],
      ['instances that ended at the fence', this.#fenced],
      ['starts that failed for want of the store', this.#failedStarts],
      ['process starts', this.instances.reduce((sum, { starts }) => sum + starts, 0)],
      ['from start to serving p50 / p99 / max, ms', `${at(0.5)} / ${at(0.99)} / ${at(1)}`],
      ['RSS max of each instance', this.instances.map(({ rssMaxBytes }) => mebibytes(rssMaxBytes)).join(', ')],
      ['bursts of errors', this.#bursts],
      ...[...this.#errors].map(([message, count]): [string, number] => [`error logged: ${message}`, count]),
    ]
  }

  async #pause(instance: Instance, ms: number, signal: AbortSignal): Promise<void> {
    const { note, complaints } = this.#options
    this.#pauses++
    if (ms > trimGraceMs) this.#longPauses++
    note(`instance ${instance.nodeId} is stopped for ${Math.round(ms)} ms`)
    const begun = performance.now()
    // A process that was still starting need not have known anything of the ledger.
    const isToEnd = await instance.pause(ms, signal)
    note(`instance ${instance.nodeId} goes on`)
    if (!isToEnd || performance.now() - begun < fenceMs * 1.05) return
    const { starts } = instance
    for (let waitedMs = 0; waitedMs < fencedWithinMs && instance.starts === starts; waitedMs += 500) await sleep(500)
    if (instance.starts === starts)
      complaints.add('fence', `instance ${instance.nodeId} lives on after it was stopped for ${Math.round(ms)} ms`)
  }

  #onEnd(instance: Instance, code: number | string, last: string): void {
    const { note, complaints } = this.#options
    note(`instance ${instance.nodeId} ended with ${code}: ${last}`)
    if (last.includes('longer than a quarter of trim_grace_ms')) this.#fenced++
    else if (last.includes('the gateway could not start')) this.#failedStarts++
    else complaints.add('ended', `instance ${instance.nodeId} ended with ${code}: ${last}`)
  }

  #onErrorLine(instance: Instance, line: string): void {
    const { msg = line } = JSON.parse(line) as { msg?: string }
    this.#errors.set(msg, (this.#errors.get(msg) ?? 0) + 1)
    // Why it can't go on or start is looked at when it ends.
    if (!expectedErrors.includes(msg)) this.#options.complaints.add('error', `instance ${instance.nodeId}: ${line}`)
  }
}

const expectedErrors = ["this instance can't go on", 'the gateway could not start']

async function createTopics(bootstrap: string, topics: readonly TopicPlan[]): Promise<void> {
  const { Kafka, logLevel } = kafkajs
  const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING, retry: { retries: 30 } })
  const admin = kafka.admin()
  await admin.connect()
  const policies = {
    none: [{ name: 'retention.ms', value: '-1' }],
    retention: [{ name: 'retention.ms', value: String(retentionMs) }],
    compaction: [
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'min.cleanable.dirty.ratio', value: '0.01' },
    ],
  }
  // An outcome that is not known is repeated by kafkajs, which takes "exists" for an answer.
  for (const { name, partitions, cleanup } of topics)
    await admin.createTopics({
      topics: [{ topic: name, numPartitions: partitions, configEntries: policies[cleanup] }],
      waitForLeaders: true,
    })
  await admin.disconnect()
}
