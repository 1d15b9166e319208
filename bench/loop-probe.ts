import { readFileSync } from 'node:fs'
import { quantile } from './tables.js'

// Loaded into a gateway before its own code (`--import`): every few milliseconds it looks how late the event loop is, and
// how long its thread was on a CPU since the last look, or waited for one.

/** What a parent process may ask: each period begins where the one before ends. */
export interface LoopMessage {
  loop: 'period'
}

/** Of a period; milliseconds. */
export interface LoopSummary {
  looks: number
  delay: Spread
  /** Of the delay, what the thread itself used: on a machine that has other things to do the rest is theirs. */
  onCpu: Spread
}

export interface Spread {
  p99: number
  p999: number
  max: number
  /** How many looks found more than 20 ms. */
  late: number
}

const everyMs = 5
const lateMs = 20
/** Nanoseconds on a CPU (Linux): see the kernel's Documentation/scheduler/sched-stats.rst. */
const schedstat = `/proc/self/task/${process.pid}/schedstat`
const onCpuMs = () => Number(readFileSync(schedstat, 'utf8').split(' ')[0]) / 1e6

let delays: number[] = []
let used: number[] = []
let dueMs = performance.now() + everyMs
let before = onCpuMs()

function look(): void {
  const now = onCpuMs()
  delays.push(Math.max(0, performance.now() - dueMs))
  used.push(now - before)
  before = now
  dueMs = performance.now() + everyMs
  setTimeout(look, everyMs).unref()
}
setTimeout(look, everyMs).unref()

function spreadOf(found: number[]): Spread {
  found.sort((a, b) => a - b)
  const late = found.filter((ms) => ms > lateMs).length
  return { p99: quantile(found, 0.99), p999: quantile(found, 0.999), max: quantile(found, 1), late }
}

process.on('message', (message) => {
  if ((message as Partial<LoopMessage>).loop !== 'period') return
  process.send?.({ looks: delays.length, delay: spreadOf(delays), onCpu: spreadOf(used) } satisfies LoopSummary)
  delays = []
  used = []
  // To sum up takes time as well.
  before = onCpuMs()
  dueMs = Math.max(dueMs, performance.now())
})
process.channel?.unref()
