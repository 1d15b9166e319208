import { join } from 'node:path'
import type { ClientProgram } from '../integration/clients/driver.js'
import { buildRoot, pythonProgram, repositoryRoot } from '../integration/tools.js'
import { type ProducedTopic, type ReadTopic, type Role, type RoleEvent, RoleProcess } from './client.js'
import type { Complaints } from './complaints.js'
import { Latencies } from './figures.js'
import { GroupHistory } from './group-history.js'
import { TopicHistory, type TopicPlan } from './history.js'

type Topic = TopicPlan & ReadTopic
/**
 * Records that stay; records that retention removes; records of which the last one of each key stays. Few partitions: each
 * flush makes a range in each of them, and the one instance that is spared has to move nearly all of these by itself.
 */
const orders: Topic = { name: 'orders', partitions: 3, bytes: 120, cleanup: 'none', keys: 0 }
const recent: Topic = { name: 'recent', partitions: 2, bytes: 400, cleanup: 'retention', keys: 0 }
const table: Topic = { name: 'table', partitions: 1, bytes: 100, cleanup: 'compaction', keys: 50 }
export const topics = [orders, recent, table]

/** Longest time that a producer may take in the end until everything is acknowledged, seconds. */
const flushSeconds = 150
/** Records that librdkafka keeps for a cluster that does not take them; then the load pauses. */
const waitingMax = 20_000
/** Longest time for a reader or a member to come to its end once it is told to, milliseconds. */
const leaveMs = 45_000
/** Longest time for the last readings, through all instances, milliseconds. */
const lastReadingsMs = 240_000

/** All clients, and what they saw. */
export class Cast {
  readonly latencies = new Latencies()
  readonly #histories = new Map<string, TopicHistory>()
  readonly #groups = new Map<string, GroupHistory>()
  /** By group and partition: the highest offset that any member was given. */
  readonly #given = new Map<string, number[]>()
  readonly #programs = { python: librdkafka(), node: kafkajs() }
  readonly #bootstrap: string
  readonly #folder: string
  readonly #complaints: Complaints
  readonly #producers: RoleProcess[] = []
  /** Readers, members of groups and others that another one may follow. */
  readonly #others = new Map<RoleProcess, Role>()
  /** The reader at the tail of `orders`. */
  #tail = ''
  #isOver = false
  #acknowledgedAtMs: number | undefined
  /** The longest time in which no producer was acknowledged anything. */
  silenceMaxMs = 0
  failedCount = 0
  passes = 0
  rounds = 0
  memberKills = 0
  /** Client processes that ended before their time, though nobody killed them. */
  crashes = 0

  /** `folder`: where the clients' own words are kept. */
  constructor(bootstrap: string, folder: string, complaints: Complaints) {
    this.#bootstrap = bootstrap
    this.#folder = folder
    this.#complaints = complaints
    for (const topic of topics) this.#histories.set(topic.name, new TopicHistory(topic, complaints))
  }

  /** What was counted, over all topics and groups. */
  get counts() {
    const sum = (of: (history: TopicHistory) => number) =>
      [...this.#histories.values()].reduce((total, history) => total + of(history), 0)
    const groups = [...this.#groups.values()]
    return {
      acknowledged: sum((history) => history.acknowledgedCount),
      read: sum((history) => history.readCount),
      repeated: sum((history) => history.repeatedCount),
      commits: groups.reduce((total, group) => total + group.commitCount, 0),
      generations: Math.max(0, ...groups.map((group) => group.generationMax)),
    }
  }

  /** Starts everybody; `rate`: records a second in all. */
  start(rate: number): void {
    const at = (topic: Topic, share: number): ProducedTopic => ({ ...topic, perSecond: rate * share })
    const { python, node } = this.#programs
    this.#produce(python, 'r1', true, [at(orders, 0.25), at(table, 0.1)])
    this.#produce(python, 'r2', true, [at(orders, 0.25), at(recent, 0.25)])
    this.#produce(node, 'k1', false, [at(orders, 0.15)])
    this.#keep(python, { role: 'read', name: 'tail', topic: orders })
    for (const topic of topics)
      this.#keep(python, { role: 'read', name: `again-${topic.name}`, topic, restSeconds: 15 })
    this.#keep(python, { role: 'churn', name: 'churn', topic: 'churned' })
    for (const group of ['by-librdkafka', 'by-kafkajs']) {
      this.#groups.set(group, new GroupHistory(group, this.#complaints))
      this.#given.set(group, [])
      for (const letter of ['a', 'b', 'c'])
        this.#keep(group === 'by-kafkajs' ? node : python, {
          role: 'member',
          name: `${group}-${letter}`,
          group,
          topic: orders,
        })
    }
    this.#keep(python, { role: 'ask', name: 'ask', groups: this.#topicOfGroups(), once: false })
  }

  /** kill -9 of a member of a group; another one takes its place. */
  killMember(choice: number): void {
    this.memberKills++
    const members = [...this.#others].filter(([, { role }]) => role === 'member')
    void members[Math.floor(choice * members.length)]?.[0].kill()
  }

  /** Producers stop once all that they sent is acknowledged. */
  async stopProducing(): Promise<void> {
    await this.#stop(this.#producers, (flushSeconds + 30) * 1_000)
  }

  /** Who has not been given everything of `orders` yet, and how much is missing. */
  behind(): Record<string, number> {
    const history = this.#histories.get(orders.name)
    const ends = history?.acknowledgedEnds() ?? []
    const missing = (at: (partition: number) => number) =>
      ends.reduce((sum, end, partition) => sum + Math.max(0, end - at(partition)), 0)
    const all = [...this.#given].map(
      ([group, given]) => [group, missing((partition) => (given[partition] ?? -1) + 1)] as const,
    )
    all.push(['tail', missing((partition) => history?.positionOf(this.#tail, partition) ?? 0)])
    return Object.fromEntries(all.filter(([, count]) => count > 0))
  }

  /** Everybody who reads leaves in good order. */
  async stopReading(): Promise<void> {
    this.#isOver = true
    await this.#stop([...this.#others.keys()], leaveMs)
  }

  /**
   * Reads everything once more through each of the instances: all topics from the start, the groups' offsets, and
   * compares it with all that was promised.
   */
  async lastReadings(bootstraps: readonly string[]): Promise<void> {
    const deadline = performance.now() + lastReadingsMs
    for (const [index, bootstrap] of bootstraps.entries())
      await this.#lastReading(bootstrap, `last${index + 1}`, Math.max(1_000, deadline - performance.now()))
  }

  async #lastReading(bootstrap: string, name: string, patienceMs: number): Promise<void> {
    const { python } = this.#programs
    await Promise.all([
      this.#spawn(
        python,
        { role: 'ask', name: `${name}-ask`, groups: this.#topicOfGroups(), once: true },
        bootstrap,
      ).ended(patienceMs),
      ...topics.map((topic) => this.#readWhole(topic, bootstrap, `${name}-${topic.name}`, patienceMs)),
    ])
  }

  /** The groups' histories are judged as a whole, when all is told. */
  judgeGroups(): void {
    for (const group of this.#groups.values()) group.finish()
  }

  /** Ends whoever is still there, however they are. */
  async kill(): Promise<void> {
    this.#isOver = true
    const all = [...this.#producers, ...this.#others.keys()]
    await Promise.all(all.filter((process) => process.isAlive).map((process) => process.kill()))
  }

  #produce(program: ClientProgram, name: string, isIdempotent: boolean, produced: ProducedTopic[]): void {
    for (const topic of produced) this.#histories.get(topic.name)?.addProducer(name, isIdempotent)
    this.#producers.push(this.#spawn(program, { role: 'produce', name, topics: produced, flushSeconds, waitingMax }))
  }

  /** Starts a client that is followed by another one, under another name, whenever its process ends before its time. */
  #keep(program: ClientProgram, role: Role): void {
    const process = this.#spawn(program, role)
    this.#others.set(process, role)
    if (role.role === 'read' && role.restSeconds === undefined) this.#tail = role.name
    void process.ended().then(() => {
      if (this.#isOver) return
      this.#others.delete(process)
      if (!process.wasKilled) this.crashes++
      const [, base = role.name, number = '1'] = /^(.*?)(?:-(\d+))?$/.exec(role.name) ?? []
      this.#keep(program, { ...role, name: `${base}-${Number(number) + 1}` })
    })
  }

  #spawn(program: ClientProgram, role: Role, bootstrap = this.#bootstrap, onEvent?: (event: RoleEvent) => void) {
    const logFile = join(this.#folder, `client-${role.name}.log`)
    return new RoleProcess(program, bootstrap, role, logFile, (event) => {
      this.#onEvent(role, event)
      onEvent?.(event)
    })
  }

  async #readWhole(topic: Topic, bootstrap: string, name: string, patienceMs: number): Promise<void> {
    const records: [number, string][][] = Array.from({ length: topic.partitions }, () => [])
    let isCompared = false
    const role: Role = { role: 'read', name, topic, restSeconds: 0 }
    const reader = this.#spawn(this.#programs.python, role, bootstrap, (event) => {
      if (event.event === 'read')
        for (const [partition, offset, text] of event.records) records[partition]?.push([offset, text])
      if (event.event !== 'whole') return
      isCompared = true
      this.#histories.get(topic.name)?.finish(event.earliest, event.latest, records)
    })
    await reader.ended(patienceMs)
    if (!isCompared) this.#complaints.add('stuck', `${name}: the last reading did not come to its end`)
  }

  #onEvent(role: Role, event: RoleEvent): void {
    switch (event.event) {
      case 'acked':
        for (const [topic, partition, sequence, offset, ms] of event.records) {
          this.#histories.get(topic)?.acknowledged(role.name, partition, sequence, offset)
          this.latencies.add(ms)
        }
        if (event.records.length > 0) this.#noteTime()
        this.failedCount += event.failed.length
        for (const [topic, partition, sequence, reason] of event.failed)
          this.#complaints.add('refused', `${role.name}'s ${sequence} for ${topic} ${partition}: ${reason}`)
        break
      case 'sent':
        for (const [topic, counts] of Object.entries(event.sent))
          for (const [partition, count] of counts.entries())
            this.#histories.get(topic)?.sent(role.name, partition, count)
        if (event.left > 0)
          this.#complaints.add('stuck', `${role.name}: ${event.left} records had no outcome in the end`)
        break
      case 'read':
        for (const [partition, offset, text] of event.records)
          this.#histories.get(event.topic)?.read(role.name, event.number, partition, offset, text)
        break
      case 'given': {
        const given = this.#given.get(event.group) ?? []
        for (const [partition, offset, text] of event.records) {
          this.#histories.get(event.topic)?.seen(role.name, partition, offset, text)
          given[partition] = Math.max(given[partition] ?? -1, offset)
        }
        break
      }
      case 'committed': {
        const { offsets, group, event: _, ...commit } = event
        for (const [partition, offset] of offsets)
          this.#groups.get(group)?.committed({ member: role.name, partition, offset, ...commit })
        break
      }
      case 'told':
        for (const [partition, offset] of event.offsets)
          this.#groups.get(event.group)?.told({ who: role.name, partition, offset, beganMs: event.beganMs })
        break
      case 'owns':
        this.#groups.get(event.group)?.owns(event.member, event.generation, event.partitions)
        break
      case 'round':
        this.rounds++
        break
      case 'pass':
        this.passes++
        break
      case 'problem':
        this.#complaints.add(event.kind, event.text)
        break
      case 'whole':
      case 'done':
        break
    }
  }

  #noteTime(): void {
    const now = Math.round(performance.now())
    this.silenceMaxMs = Math.max(this.silenceMaxMs, now - (this.#acknowledgedAtMs ?? now))
    this.#acknowledgedAtMs = now
  }

  async #stop(processes: readonly RoleProcess[], patienceMs: number): Promise<void> {
    await Promise.all(
      processes.map(async (process) => {
        const isDone = await process.stop(patienceMs)
        if (process.wasAborted) this.crashes++
        else if (!isDone)
          this.#complaints.add('stuck', `${process.name} did not come to its end within ${patienceMs} ms`)
      }),
    )
  }

  #topicOfGroups(): Record<string, string> {
    return Object.fromEntries([...this.#groups.keys()].map((group) => [group, orders.name]))
  }
}

function librdkafka(): ClientProgram {
  return { command: pythonProgram().command, args: ['-u', join(repositoryRoot, 'tests/soak/librdkafka.py')] }
}

function kafkajs(): ClientProgram {
  return { command: process.execPath, args: [join(buildRoot, 'tests/soak/kafkajs-role.js')] }
}
