import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** What a process and its descendants have used so far. */
export interface Usage {
  cpuSeconds: number
  rssMib: number
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
const pageBytes = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }))

/** Reads CPU time (user and system, dead children included) and resident memory from /proc. */
export function usageOf(pid: number): Usage {
  const usage = { cpuSeconds: 0, rssMib: 0 }
  for (const one of withDescendants(pid)) {
    const fields = statOf(`/proc/${one}/stat`)
    // Of proc(5)'s fields 14 to 17: utime, stime, cutime, cstime; 24: rss.
    const ticks = [14, 15, 16, 17].reduce((sum, field) => sum + fields(field), 0)
    usage.cpuSeconds += ticks / ticksPerSecond
    usage.rssMib += (fields(24) * pageBytes) / 2 ** 20
  }
  return usage
}

/** CPU seconds so far of each kind of thread of a process, by the thread's name. */
export function threadCpuSeconds(pid: number): Map<string, number> {
  const seconds = new Map<string, number>()
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`
    const fields = statOf(`${folder}/stat`)
    const name = thread === String(pid) ? 'main' : readFileSync(`${folder}/comm`, 'utf8').trim()
    seconds.set(name, (seconds.get(name) ?? 0) + (fields(14) + fields(15)) / ticksPerSecond)
  }
  return seconds
}

/** The highest resident memory while `work` runs, looked at now and then, and the CPU time used meanwhile. */
export async function measured<T>(pid: number, work: () => Promise<T>): Promise<{ result: T } & Usage> {
  const before = usageOf(pid)
  let rssMib = before.rssMib
  const look = setInterval(() => {
    rssMib = Math.max(rssMib, usageOf(pid).rssMib)
  }, 250)
  try {
    const result = await work()
    const after = usageOf(pid)
    return { result, cpuSeconds: after.cpuSeconds - before.cpuSeconds, rssMib: Math.max(rssMib, after.rssMib) }
  } finally {
    clearInterval(look)
  }
}

/** What a process and its descendants used over time; moments are milliseconds since the epoch. */
export interface UsageTrace {
  /** CPU seconds between two moments, and the most resident memory seen then. */
  between(startMs: number, endMs: number): Usage
}

/** Watches a process while `work` runs. */
export async function traced<T>(pid: number, work: () => Promise<T>): Promise<{ result: T; trace: UsageTrace }> {
  const samples: (Usage & { atMs: number })[] = []
  const look = () => void samples.push({ atMs: Date.now(), ...usageOf(pid) })
  look()
  const timer = setInterval(look, 200)
  try {
    const result = await work()
    look()
    return { result, trace: { between: (startMs, endMs) => usageBetween(samples, startMs, endMs) } }
  } finally {
    clearInterval(timer)
  }
}

function usageBetween(samples: readonly (Usage & { atMs: number })[], startMs: number, endMs: number): Usage {
  const inside = samples.filter(({ atMs }) => atMs >= startMs - 200 && atMs <= endMs + 200)
  const cpuAt = (ms: number) => {
    const before = samples.findLast(({ atMs }) => atMs <= ms) ?? samples[0]
    const after = samples.find(({ atMs }) => atMs > ms) ?? before
    if (before === undefined || after === undefined) return 0
    if (after.atMs === before.atMs) return after.cpuSeconds
    const part = Math.min(1, Math.max(0, (ms - before.atMs) / (after.atMs - before.atMs)))
    return before.cpuSeconds + part * (after.cpuSeconds - before.cpuSeconds)
  }
  return { cpuSeconds: cpuAt(endMs) - cpuAt(startMs), rssMib: Math.max(...inside.map(({ rssMib }) => rssMib)) }
}

const quietShare = 0.1

/** Waits until a process uses less than a tenth of a core, `patienceMs` at most: what it was given is done then. */
export async function untilQuiet(pid: number, patienceMs = 10_000): Promise<void> {
  const deadline = Date.now() + patienceMs
  for (let before = usageOf(pid); Date.now() < deadline; ) {
    await sleep(500)
    const now = usageOf(pid)
    if (now.cpuSeconds - before.cpuSeconds < quietShare / 2) return
    before = now
  }
}

/** A process and those that it started, and these. */
export function withDescendants(pid: number): number[] {
  const found = [pid]
  for (const parent of found) {
    for (const thread of readdirSync(`/proc/${parent}/task`)) {
      const children = childrenOf(parent, thread)
      if (children !== '') found.push(...children.split(' ').map(Number))
    }
  }
  return found
}

function childrenOf(pid: number, thread: string): string {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim()
  } catch {
    return '' // the thread has just ended
  }
}

/** Fields of a stat file by their number in proc(5); the second, the name, may hold spaces and brackets. */
function statOf(file: string): (field: number) => number {
  const text = readFileSync(file, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (field) => Number(fields[field - 3])
}
