import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { ClientProgram } from '../integration/clients/driver.js'
import { endWithUs } from './children.js'

/** How a topic is written: records of `bytes`, so many a second over all partitions, with so many keys or none. */
export interface ProducedTopic {
  name: string
  partitions: number
  perSecond: number
  bytes: number
  /** 0: without keys. Else record `sequence` of a partition has the key `NAME-<sequence % keys>`. */
  keys: number
}

export type ReadTopic = Pick<ProducedTopic, 'name' | 'partitions' | 'bytes'>

/** What a client process does until it is told to stop. */
export type Role =
  | { role: 'produce'; name: string; topics: ProducedTopic[]; flushSeconds: number; waitingMax: number }
  /** Follows the tail from the beginning on; with `restSeconds` reads from start to end, again and again, 0: once. */
  | { role: 'read'; name: string; topic: ReadTopic; restSeconds?: number }
  | { role: 'member'; name: string; group: string; topic: ReadTopic }
  /** Asks for committed offsets; `groups`: the topic of each group. */
  | { role: 'ask'; name: string; groups: Record<string, string>; once: boolean }
  | { role: 'churn'; name: string; topic: string }

/** What a client process tells. Offsets are negative where the client library does not know them. */
export type RoleEvent =
  | {
      event: 'acked'
      /** topic, partition, sequence, offset, milliseconds until the acknowledgement */
      records: [string, number, number, number, number][]
      /** topic, partition, sequence, reason */
      failed: [string, number, number, string][]
    }
  /** A producer has ended: records sent to each partition of its topics, and how many of them had no outcome. */
  | { event: 'sent'; sent: Record<string, number[]>; left: number }
  /** Records read: partition, offset, text without filler; `number` counts the passes from the start. */
  | { event: 'read'; topic: string; number: number; records: [number, number, string][] }
  | { event: 'pass'; topic: string }
  /** The one pass of a reader that reads once is over: it went from these offsets to those. */
  | { event: 'whole'; topic: string; earliest: number[]; latest: number[] }
  /** Records that a group member was given. */
  | { event: 'given'; group: string; topic: string; records: [number, number, string][] }
  /** Offsets by partition whose commit was acknowledged. */
  | {
      event: 'committed'
      group: string
      beganMs: number
      endedMs: number
      offsets: [number, number][]
      generation?: number
    }
  /** Committed offsets by partition as they were told to one who asked at `beganMs`. */
  | { event: 'told'; group: string; beganMs: number; offsets: [number, number][] }
  | { event: 'owns'; group: string; member: string; generation: number; partitions: number[] }
  /** One topic was made, filled, read and deleted. */
  | { event: 'round'; records: number }
  | { event: 'problem'; kind: string; text: string }
  | { event: 'done' }

/** A client process in its role. What its library says on standard error goes to a file. */
export class RoleProcess {
  readonly name: string
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #isDone = false
  #wasKilled = false

  constructor(
    program: ClientProgram,
    bootstrap: string,
    role: Role,
    logFile: string,
    onEvent: (event: RoleEvent) => void,
  ) {
    this.name = role.name
    this.#child = spawn(program.command, [...program.args, bootstrap, JSON.stringify(role)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...program.env },
    })
    const { stdin, stdout, stderr } = this.#child
    if (!stdin || !stdout || !stderr) throw new Error('no pipes')
    stdin.on('error', () => {}) // a process that has just died
    createInterface({ input: stdout }).on('line', (line) => {
      const event = eventOf(line)
      // Of what a killed process said last there may be only a part.
      if (event === undefined && this.#wasKilled) return
      if (event?.event === 'done') this.#isDone = true
      onEvent(event ?? { event: 'problem', kind: 'client', text: `${role.name} said ${JSON.stringify(line)}` })
    })
    stderr.on('data', (chunk: Buffer) => appendFileSync(logFile, chunk))
    endWithUs(this.#child)
    // Closed: the process is gone and its last line was read.
    this.#ended = once(this.#child, 'close')
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Whether we ended it. */
  get wasKilled(): boolean {
    return this.#wasKilled
  }

  /** Whether it ended itself because a check of the client library's own failed. */
  get wasAborted(): boolean {
    return this.#child.signalCode === 'SIGABRT'
  }

  /** Resolves when the process is gone, for whatever reason, and all it told was heard; kills it after so long. */
  async ended(patienceMs?: number): Promise<void> {
    const patience = patienceMs === undefined ? undefined : setTimeout(() => void this.kill(), patienceMs)
    await this.#ended
    clearTimeout(patience)
  }

  /** Tells it to stop, and waits; kills it after so long. Gives whether it ended as it should. */
  async stop(patienceMs: number): Promise<boolean> {
    this.#child.stdin?.write('stop\n')
    await this.ended(patienceMs)
    return this.#isDone
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#wasKilled = true
    this.#child.kill('SIGKILL')
    await this.#ended
  }
}

function eventOf(line: string): RoleEvent | undefined {
  try {
    return JSON.parse(line) as RoleEvent
  } catch {
    return undefined
  }
}
