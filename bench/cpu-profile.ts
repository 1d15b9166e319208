import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** V8's format: a tree of calls, and which node was running at each sample. */
export interface CpuProfile {
  nodes: CpuProfileNode[]
  samples: number[]
  /** Microseconds since the sample before. */
  timeDeltas: number[]
}

export interface CpuProfileNode {
  id: number
  /** `lineNumber` counts from 0. */
  callFrame: { functionName: string; url: string; lineNumber: number }
  children?: number[]
}

/** Reads a `.cpuprofile`. */
export function cpuProfileOf(file: string): CpuProfile {
  return JSON.parse(readFileSync(file, 'utf8')) as CpuProfile
}

/** Seconds that each node was running itself, by its id. */
export function selfSeconds({ samples, timeDeltas }: CpuProfile): Map<number, number> {
  const seconds = new Map<number, number>()
  for (const [index, id] of samples.entries()) seconds.set(id, (seconds.get(id) ?? 0) + (timeDeltas[index] ?? 0) / 1e6)
  return seconds
}

const build = new URL('..', import.meta.url)

/** Where a function is: `src/server/dispatch.js:12`, or nothing for what is not JavaScript. */
export function placeOf({ url, lineNumber }: CpuProfileNode['callFrame']): string {
  return url === '' ? '' : `${fileOf(url)}:${lineNumber + 1}`
}

/** A file's path below this build, or its package's. */
export function fileOf(url: string): string {
  return url
    .replace(build.href, '')
    .replace(fileURLToPath(build), '')
    .replace(/^.*\/node_modules\//, '')
}
