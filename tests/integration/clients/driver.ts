import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** How to start a client program: one process that talks to the broker with one client library. */
export interface ClientProgram {
  command: string
  args: string[]
  env?: Record<string, string>
}

/** A record as the programs exchange it. */
export interface ClientRecord {
  partition: number
  offset: number
  key: string | null
  value: string | null
  /** Milliseconds since the epoch. */
  timestamp: number
  headers: Record<string, string>
}

export interface RecordToSend {
  partition: number
  key: string | null
  value: string | null
  timestamp?: number
  headers?: Record<string, string>
}

/** Offsets by partition number. */
export type Offsets = Record<string, number>

/**
 * What a load producer sent to one partition. The record numbered `n` was acknowledged with the offset `offsets[n]`;
 * -1: it was not; -2: it was, but without an offset.
 */
export interface LoadedPartition {
  sent: number
  offsets: number[]
}

/** What the programs can do: verb → [parameters, result]. A program refuses a verb that its library has no call for. */
export interface Verbs {
  create: [{ topic: string; partitions: number }, unknown]
  deleteTopic: [{ topic: string }, unknown]
  /** Gives the offset of the first record of each partition. */
  produce: [
    { topic: string; compression: Compression; idempotent: boolean; records: RecordToSend[] },
    { baseOffsets: Offsets },
  ]
  /** Reads every partition from its start until `count` records are there; outside any group where the library can. */
  consume: [{ topic: string; count: number }, { records: ClientRecord[] }]
  /** Joins the group, reads `count` records, commits exactly those, leaves. */
  groupConsume: [{ topic: string; group: string; count: number }, { records: ClientRecord[] }]
  committed: [{ topic: string; group: string }, { offsets: Offsets }]
  offsets: [{ topic: string }, { earliest: Offsets; latest: Offsets }]
  offsetsForTime: [{ topic: string; timestamp: number }, { offsets: Offsets }]
  listGroups: [object, { groups: string[] }]
  describeGroup: [{ group: string }, { state: string; members: number }]
  deleteGroup: [{ group: string }, unknown]
  /** Joins a group for good; from then on the program reports `assigned` and `records` events. */
  member: [{ topic: string; group: string; sessionTimeoutMs: number; assignor?: string }, unknown]
  leave: [object, unknown]
  /** Starts an idempotent producer that sends numbered records to every partition at some rate until `loadStop`. */
  load: [{ topic: string; partitions: number; recordsPerSecond: number; valueBytes: number }, unknown]
  loadStop: [object, { partitions: Record<string, LoadedPartition>; errors: string[] }]
}

interface Reply {
  id?: number
  result?: unknown
  error?: string
  event?: 'assigned' | 'records'
  partitions?: number[]
  records?: ClientRecord[]
}

/** No client program outlives the test process. */
const killAtExit = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of killAtExit) child.kill('SIGKILL')
})

/**
 * A running client program. It reads one JSON request a line on its standard input and writes one JSON reply or
 * event a line on its standard output: `{id, verb, …parameters}` → `{id, result}` or `{id, error}`, and
 * `{event: 'assigned', partitions}`, `{event: 'records', records}` from a group member.
 */
export class ClientProcess {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (reply: Reply) => void; timer: NodeJS.Timeout }>()
  readonly #errors: string[] = []
  #next = 1
  #exited: boolean = false
  /** A group member: the partitions it has now. */
  assigned: number[] = []
  /** A group member: all it was given so far, in that order. */
  received: ClientRecord[] = []

  constructor(program: ClientProgram, bootstrap: string) {
    this.#child = spawn(program.command, [...program.args, bootstrap], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...program.env },
    })
    const { stdout, stderr, stdin } = this.#child
    if (!stdout || !stderr || !stdin) throw new Error('no pipes')
    stdin.on('error', () => {}) // a request to a process that has just died: its exit rejects what waits
    createInterface({ input: stdout }).on('line', (line) => this.#onLine(line))
    createInterface({ input: stderr }).on('line', (line) => {
      this.#errors.push(line)
      if (this.#errors.length > 200) this.#errors.shift()
    })
    this.#child.once('error', (error) => this.#onExit(error.message))
    this.#child.once('exit', (code, signal) => this.#onExit(`exit ${code ?? signal}`))
    killAtExit.add(this.#child)
  }

  /** Asks the program for something; rejects with what it says went wrong, or when the time is over. */
  async call<V extends keyof Verbs>(verb: V, parameters: Verbs[V][0], timeoutMs = 45_000): Promise<Verbs[V][1]> {
    if (this.#exited) throw new Error(`${verb}: the client program is gone\n${this.log()}`)
    const id = this.#next++
    const reply = await new Promise<Reply>((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        resolve({ error: `no answer within ${timeoutMs} ms` })
      }, timeoutMs)
      this.#waiting.set(id, { resolve, timer })
      this.#child.stdin?.write(`${JSON.stringify({ id, verb, ...parameters })}\n`)
    })
    if (reply.error !== undefined) throw new Error(`${verb}: ${reply.error}\n${this.log()}`)
    return reply.result
  }

  /** The last lines of its standard error. */
  log(): string {
    return this.#errors.slice(-30).join('\n')
  }

  /** kill -9. */
  async kill(): Promise<void> {
    if (this.#exited) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  /** Lets it finish: end of input asks it to close its clients and exit; killed when it takes too long. */
  async close(): Promise<void> {
    if (this.#exited) return
    const exited = once(this.#child, 'exit')
    this.#child.stdin?.end()
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), 8_000)
    await exited
    clearTimeout(patience)
  }

  #onLine(line: string): void {
    let reply: Reply
    try {
      reply = JSON.parse(line) as Reply
    } catch {
      this.#errors.push(`not a reply: ${line}`)
      return
    }
    if (reply.event === 'assigned') this.assigned = (reply.partitions ?? []).toSorted((a, b) => a - b)
    else if (reply.event === 'records') this.received.push(...(reply.records ?? []))
    else this.#settle(reply.id ?? 0, reply)
  }

  #onExit(reason: string): void {
    this.#exited = true
    killAtExit.delete(this.#child)
    for (const id of [...this.#waiting.keys()]) this.#settle(id, { error: `the client program ended: ${reason}` })
  }

  #settle(id: number, reply: Reply): void {
    const waiting = this.#waiting.get(id)
    if (!waiting) return
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    waiting.resolve(reply)
  }
}

/**
 * Waits until `holds` gives true.
 * @throws Error naming `what`, with the state `describe` gives, when it does not within `timeoutMs`.
 */
export async function eventually(
  what: string,
  timeoutMs: number,
  holds: () => boolean | Promise<boolean>,
  describe?: () => unknown,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await holds())) {
    if (performance.now() > deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${what}; last seen: ${JSON.stringify(describe?.())}`)
    }
    await sleep(50)
  }
}

/** Waits until each partition has exactly one owner among the members, and nobody has two more than another. */
export async function sharing(what: string, members: ClientProcess[], partitions: number): Promise<void> {
  await eventually(
    what,
    30_000,
    () => {
      const sizes = members.map(({ assigned }) => assigned.length)
      const all = members.flatMap(({ assigned }) => assigned)
      const fair = Math.max(...sizes) - Math.min(...sizes) <= 1
      return all.length === partitions && new Set(all).size === partitions && fair
    },
    () => members.map(({ assigned }) => assigned),
  )
}
