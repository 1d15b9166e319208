import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
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

/** Takes a CPU profile of the gateway around each run, writes it to the folder and prints where the time went. */
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
      print(`\n## ${name}\n\n${threads(before, after)}${stateOf(summary)}\n${timesOf(file)}\nprofile: ${file}\n`)
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

/** V8's format: a tree of calls, and which node was running at each sample. */
interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  samples: number[]
  timeDeltas: number[]
}

/** The functions and the files in which the time was spent, idle time left out. */
function timesOf(file: string): string {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as CpuProfile
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]))
  const byFunction = new Map<string, number>()
  const byFile = new Map<string, number>()
  let total = 0
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id)
    if (frame === undefined || frame.functionName === '(idle)') continue
    const seconds = (profile.timeDeltas[index] ?? 0) / 1e6
    const place = placeOf(frame.url)
    const line = frame.url === '' ? '' : `:${frame.lineNumber + 1}`
    const name = `${frame.functionName || '(anonymous)'}  ${place}${line}`
    byFunction.set(name, (byFunction.get(name) ?? 0) + seconds)
    byFile.set(place || frame.functionName, (byFile.get(place || frame.functionName) ?? 0) + seconds)
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

const build = new URL('..', import.meta.url)

function placeOf(url: string): string {
  return url
    .replace(build.href, '')
    .replace(fileURLToPath(build), '')
    .replace(/^.*\/node_modules\//, '')
}
