import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

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

function withDescendants(pid: number): number[] {
  const found = [pid]
  for (const parent of found) {
    for (const thread of readdirSync(`/proc/${parent}/task`)) {
      const children = readFileSync(`/proc/${parent}/task/${thread}/children`, 'utf8').trim()
      if (children !== '') found.push(...children.split(' ').map(Number))
    }
  }
  return found
}

/** Fields of a stat file by their number in proc(5); the second, the name, may hold spaces and brackets. */
function statOf(file: string): (field: number) => number {
  const text = readFileSync(file, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (field) => Number(fields[field - 3])
}
