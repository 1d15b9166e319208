import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'
import { suitHeapToBuffers } from '../base/heap.js'
import type * as Start from '../cli/start.js'

/** What the build makes of the modules that a start needs (make.ts): one file. */
export const bundlePath = fileURLToPath(new URL('./start.cjs', import.meta.url))

/** What it is made of: it is used only while it is newer than these. In an image they may be missing. */
const origins = [
  fileURLToPath(new URL('../../src.tsbuildinfo', import.meta.url)),
  fileURLToPath(new URL('../../../node_modules/.package-lock.json', import.meta.url)),
]

/**
 * The program that starts a gateway: the bundle, or its modules where there is no bundle of them as they are now.
 *
 * To find, read and compile 300 modules is most of a start. One file, with the code that V8 made of it before, takes a
 * quarter of that. Who wants coverage, or gives Node.js options on the command line (a profiler, a debugger, something
 * to load before), looks into the program, and is shown its modules.
 */
export async function loadStart(environment: Readonly<Record<string, string | undefined>>): Promise<typeof Start> {
  // Before anything is compiled: V8 takes code from a cache only under the flags that it was made under.
  suitHeapToBuffers()
  if (!process.features.require_module) return import('../cli/start.js')
  const isLookedInto = process.execArgv.length > 0 || environment.NODE_V8_COVERAGE !== undefined
  if (!isLookedInto && isBundleUpToDate()) return compileBundle().run()
  // Synchronously: to read each by turns of the event loop takes a third longer.
  return createRequire(import.meta.url)('../cli/start.js')
}

/** Whether there is a bundle, made of what there is now. */
export function isBundleUpToDate(): boolean {
  const madeAt = changedAt(bundlePath)
  return madeAt > 0 && origins.every((origin) => changedAt(origin) <= madeAt)
}

/** Which bundle it is: its first line says it. */
export function bundleIdOf(text: string): string {
  return /^\/\/ (\w+)\n/.exec(text)?.[1] ?? ''
}

/** Where the code of a bundle is kept: another bundle's, or another Node.js's, is not to be mistaken for it. */
export function codePath(bundleId: string): string {
  return fileURLToPath(new URL(`./start-${bundleId}-${process.version}-${process.arch}.code`, import.meta.url))
}

/** The bundle, read and ready to run. */
export interface CompiledBundle {
  readonly id: string
  /** Whether its code was taken from where it is kept, rather than compiled. */
  readonly isCached: boolean
  run(): typeof Start
  /** The code of all its functions that have run, to be kept. */
  code(): Buffer
}

/** @throws the system's error when the bundle can't be read. */
export function compileBundle(): CompiledBundle {
  // It is ASCII, and so needs no decoding.
  const source = readFileSync(bundlePath, 'latin1')
  const id = bundleIdOf(source)
  const cachedData = contentOf(codePath(id))
  const script = new vm.Script(source, {
    filename: bundlePath,
    ...(cachedData === undefined ? {} : { cachedData }),
  })
  return {
    id,
    // Under flags of somebody's own (NODE_OPTIONS) it is refused, which is no error: V8 compiles what runs.
    isCached: cachedData !== undefined && script.cachedDataRejected !== true,
    run() {
      const module = { exports: {} as typeof Start }
      script.runInThisContext()(module, createRequire(import.meta.url), new URL('./start.cjs', import.meta.url).href)
      return module.exports
    },
    code: () => script.createCachedData(),
  }
}

function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function contentOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}
