import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { cacheDirectory, lookFor, type Tool } from '../integration/tools.js'

/**
 * A program that `install.sh` put into the cache, or that this machine has of its own.
 * @param inCache its path in the cache
 */
export function findTool(name: string, inCache: string): Promise<Tool<string>> {
  return lookFor(name, () => {
    const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
    for (const program of [join(cacheDirectory, inCache), ...folders.map((folder) => join(folder, name))])
      if (isExecutable(program)) return program
    throw new Error(`there is neither a command ${name} nor ${join(cacheDirectory, inCache)}`)
  })
}

export interface Ran {
  code: number
  stdout: string
  stderr: string
}

/** Runs a program to its end; that it fails is for the caller to judge. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd, env, input } = options
  const running = promisify(execFile)(program, [...args], {
    cwd,
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  })
  // A program that does not want it all, or that has already ended.
  running.child.stdin?.on('error', () => {})
  running.child.stdin?.end(input ?? '')
  try {
    const { stdout, stderr } = await running
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as Partial<Ran>
    if (typeof code !== 'number') throw error
    return { code, stdout, stderr }
  }
}

export interface RunOptions {
  cwd?: string
  env?: Record<string, string>
  /** For its standard input. */
  input?: string
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
