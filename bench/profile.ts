import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type CpuProfile, cpuProfileOf, fileOf, placeOf, selfSeconds } from './cpu-profile.js'
import { flameGraph } from './flame-graph.js'
import { nameOf } from './loads.js'
import type { ProfiledMessage, ProfiledSummary } from './profiled.js'
import type { Around } from './rounds.js'
import type { Gateway } from './servers/gateway.js'
import { threadCpuSeconds } from './usage.js'

const functionsShown = 25
/** Threads that Node 20 does not name, and the profiler's own. */
const threadNames: Record<string, string> = {
  node: 'workers (garbage collection, file calls, compilation)',
  'v8:ProfEvntProc': 'the profiler itself',
}
const filesShown = 12

/** Takes a CPU profile of the gateway around each run, writes it and a flame graph of it to the folder and prints where the time went. */
export function profiling(gateway: Gateway, folder: string, print: (text: string) => void): Around {
  mkdirSync(folder, { recursive: true })
  let number = 0
  const ask = (message: ProfiledMessage) => gateway.tell(message)
  return async (load, mode, work) => {
    const name = `${nameOf(load)}, ${mode}`
    const file = resolve(join(folder, `${name.replace(/[^\w=]+/g, '-')}-${++number}.cpuprofile`))
    await ask({ profile: 'start' })
    const before = threadCpuSeconds(gateway.pid)
    try {
      return await work()
    } finally {
      const after = threadCpuSeconds(gateway.pid)
      const summary = (await ask({ profile: 'stop', file })) as ProfiledSummary
      const profile = cpuProfileOf(file)
      const graph = file.replace(/\.cpuprofile$/, '.svg')
      writeFileSync(graph, flameGraph(profile, name))
      const times = `${threads(before, after)}${stateOf(summary)}\n${timesOf(profile)}`
      print(`\n## ${name}\n\n${times}\nflame graph: ${graph}\nprofile (Chrome's DevTools open it): ${file}\n`)
    }
  }
}

function threads(before: Map<string, number>, after: Map<string, number>): string {
  const used = [...after].map(([name, seconds]) => [name, seconds - (before.get(name) ?? 0)] as const)
  const shown = used.filter(([, seconds]) => seconds >= 0.005).sort((a, b) => b[1] - a[1])
  const texts = shown.map(([name, seconds]) => `${threadNames[name] ?? name} ${seconds.toFixed(2)}`)
  return `CPU seconds by thread: ${texts.join(', ')}\n`
}

function stateOf(summary: ProfiledSummary): string {
  const delay = `delay p99 ${summary.loopDelayP99Ms.toFixed(1)} ms, most ${summary.loopDelayMaxMs.toFixed(1)} ms`
  const memory = `heap ${summary.heapMib.toFixed(0)} MiB, external ${summary.externalMib.toFixed(0)} MiB`
  const collections = Object.entries(summary.collections).map(
    ([kind, { count, ms }]) => `${count} ${kind} of ${(ms / count).toFixed(1)} ms`,
  )
  const busy = `event loop ${(summary.loopUtilization * 100).toFixed(0)} % busy`
  return `${busy}, ${delay}; ${memory}\ngarbage collections: ${collections.join(', ') || 'none'}\n`
}

/** The functions and the files in which the time was spent, idle time left out. */
function timesOf(profile: CpuProfile): string {
  const own = selfSeconds(profile)
  const byFunction = new Map<string, number>()
  const byFile = new Map<string, number>()
  let total = 0
  for (const { id, callFrame } of profile.nodes) {
    const seconds = own.get(id)
    if (seconds === undefined || callFrame.functionName === '(idle)') continue
    const file = fileOf(callFrame.url) || callFrame.functionName
    const name = `${callFrame.functionName || '(anonymous)'}  ${placeOf(callFrame)}`
    byFunction.set(name, (byFunction.get(name) ?? 0) + seconds)
    byFile.set(file, (byFile.get(file) ?? 0) + seconds)
    total += seconds
  }
  const table = (times: Map<string, number>, shown: number) =>
    [...times]
      .sort((a, b) => b[1] - a[1])
      .slice(0, shown)
      .map(
        ([name, seconds]) => `${((seconds / total) * 100).toFixed(1).padStart(5)} %  ${seconds.toFixed(3)} s  ${name}`,
      )
      .join('\n')
  return `self time by function, of ${total.toFixed(2)} s not idle:\n${table(byFunction, functionsShown)}
by file:\n${table(byFile, filesShown)}`
}
