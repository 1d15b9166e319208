import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import {
  constants,
  monitorEventLoopDelay,
  type PerformanceEntry,
  PerformanceObserver,
  performance,
} from 'node:perf_hooks'

// Loaded into a gateway before its own code (`--import`): takes a CPU profile of it from "start" to "stop".

/** What a parent process may ask. */
export type ProfiledMessage = { profile: 'start' } | { profile: 'stop'; file: string }

/** Answered to `stop`. */
export interface ProfiledSummary {
  /** Share of the time that the event loop did not wait, 0 to 1. */
  loopUtilization: number
  /** Event loop delay beyond its timer's millisecond. */
  loopDelayP99Ms: number
  loopDelayMaxMs: number
  heapMib: number
  /** Garbage collections by kind; their time is what the main thread spent in them. */
  collections: Record<string, { count: number; ms: number }>
  externalMib: number
}

const session = new Session()
session.connect()
const kinds: Record<number, string> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'scavenges',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'mark-compacts',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental markings',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weak callbacks',
}
let collections: ProfiledSummary['collections'] = {}
const collectionObserver = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const { duration, detail } = entry as PerformanceEntry & { detail: { kind: number } }
    const kind = kinds[detail.kind] ?? 'others'
    const sum = collections[kind] ?? { count: 0, ms: 0 }
    collections[kind] = { count: sum.count + 1, ms: sum.ms + duration }
  }
})
const delay = monitorEventLoopDelay({ resolution: 1 })
let before = performance.eventLoopUtilization()
// Finer than the default of 1 ms, at little cost.
const samplingMicroseconds = 500

async function answer(message: ProfiledMessage): Promise<void> {
  if (message.profile === 'start') {
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: samplingMicroseconds })
    before = performance.eventLoopUtilization()
    collections = {}
    collectionObserver.observe({ entryTypes: ['gc'] })
    delay.reset()
    delay.enable()
    await session.post('Profiler.start')
    process.send?.({})
    return
  }
  const { profile } = await session.post('Profiler.stop')
  delay.disable()
  collectionObserver.disconnect()
  const memory = process.memoryUsage()
  const summary: ProfiledSummary = {
    loopUtilization: performance.eventLoopUtilization(before).utilization,
    loopDelayP99Ms: delay.percentile(99) / 1e6,
    loopDelayMaxMs: delay.max / 1e6,
    collections,
    heapMib: memory.heapUsed / 2 ** 20,
    externalMib: memory.external / 2 ** 20,
  }
  writeFileSync(message.file, JSON.stringify(profile))
  process.send?.(summary)
}

process.on('message', (message) => {
  void answer(message as ProfiledMessage)
})
process.channel?.unref()
