import { execFile, spawnSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ClientProgram } from './clients/driver.js'

/** The repository, found from the compiled file: the nearest folder above it that has a package.json. */
export const repositoryRoot = nearest('package.json')

/** Where the compiled tree of this very build lies (`dist`), the parent of `tests`. */
export const buildRoot = fileURLToPath(new URL('../..', import.meta.url))

/** Where `install.sh` puts foreign clients, and where our programs for them are compiled to. */
export const cacheDirectory = process.env.HERACLITUS_TEST_CACHE ?? join(tmpdir(), 'heraclitus-test-cache')

const sources = join(repositoryRoot, 'tests/integration/clients')
const installer = 'tests/integration/clients/install.sh'

/** Something a suite needs from this machine: it is there, or the suite says by name why it is skipped. */
export type Tool<T> = { tool: T; skip: false } | { tool: undefined; skip: string }

/**
 * Looks for what a suite needs. A missing one skips the suite, with the reason and how to install it;
 * with HERACLITUS_TEST_REQUIRE_ALL=1 (continuous integration) nothing may be skipped.
 * @throws Error when it is missing and HERACLITUS_TEST_REQUIRE_ALL is 1.
 */
export async function lookFor<T>(name: string, find: () => T | Promise<T>): Promise<Tool<T>> {
  try {
    return { tool: await find(), skip: false }
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim() : String(error)
    const skip = `${name}: not available, ${reason}; to install: ${installer}`
    if (process.env.HERACLITUS_TEST_REQUIRE_ALL === '1') throw new Error(`nothing may be skipped here, but ${skip}`)
    process.stderr.write(`SKIPPED ${skip}\n`)
    return { tool: undefined, skip }
  }
}

/** A client program written in TypeScript, in tests/integration/clients. */
export function nodeProgram(name: string): ClientProgram {
  return { command: process.execPath, args: [join(buildRoot, 'tests/integration/clients', `${name}.js`)] }
}

/** librdkafka through confluent-kafka, in the virtual environment that install.sh made. */
export function pythonProgram(): ClientProgram {
  const python = join(cacheDirectory, 'python/bin/python')
  if (!existsSync(python)) throw new Error(`there is no ${python}`)
  return { command: python, args: ['-u', join(sources, 'python/client.py')] }
}

/** franz-go, compiled here without network from what install.sh downloaded. */
export async function goProgram(): Promise<ClientProgram> {
  demand('go')
  const folder = join(sources, 'go')
  const files = ['main.go', 'go.mod', 'go.sum'].map((name) => join(folder, name))
  const binary = await compiled('franz-go', files, async (target) => {
    await run('go', ['build', '-o', target, '.'], folder, { GOPROXY: 'off', GOFLAGS: '-mod=readonly' })
  })
  return { command: binary, args: [] }
}

/** kafka-clients of that version, the program compiled here against its jar. */
export async function javaProgram(version: string): Promise<ClientProgram> {
  demand('javac')
  const jars = jarsOf(`kafka-clients-${version}`)
  const source = join(sources, 'java/Client.java')
  const classes = await compiled(`java-${version}`, [source], async (target) => {
    await run('javac', ['-nowarn', '-cp', jars, '-d', target, source], sources)
  })
  return { command: 'java', args: [...jvmOptions, '-cp', `${classes}:${jars}`, 'Client'] }
}

/** Command and first arguments to run one of Kafka's own tools by its class name. */
export function kafkaTools(version: string): ClientProgram {
  demand('java')
  return { command: 'java', args: [...jvmOptions, '-cp', jarsOf(`kafka-tools-${version}`)] }
}

/** Debian's kcat. */
export function kcatProgram(): ClientProgram {
  demand('kcat')
  return { command: 'kcat', args: [] }
}

/** Debian's HAProxy. */
export function haproxyProgram(): string {
  demand('haproxy')
  return 'haproxy'
}

/** Short-lived JVMs: start quickly, stay small, say only what goes wrong. */
const jvmOptions = [
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-Xshare:auto',
  '-Xmx256m',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
]

function jarsOf(name: string): string {
  const folder = join(cacheDirectory, name)
  if (!existsSync(folder)) throw new Error(`there is no ${folder}`)
  return join(folder, '*')
}

function demand(command: string): void {
  // Debian keeps servers where only root's path leads.
  const found = spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin command -v ${command}`])
  if (found.status !== 0) throw new Error(`there is no command ${command}`)
}

/** Compiles once per content of the sources: two test files may ask at the same time. */
async function compiled(name: string, files: string[], compile: (target: string) => Promise<void>): Promise<string> {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(file))
  const folder = join(cacheDirectory, 'programs')
  const target = join(folder, `${name}-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(target)) return target
  await mkdir(folder, { recursive: true })
  const part = `${target}.${randomUUID()}`
  await compile(part)
  try {
    await rename(part, target)
  } catch (error) {
    await rm(part, { recursive: true, force: true })
    if (!existsSync(target)) throw error
  }
  return target
}

async function run(command: string, args: string[], cwd: string, env?: Record<string, string>): Promise<void> {
  try {
    await promisify(execFile)(command, args, { cwd, env: { ...process.env, ...env } })
  } catch (error) {
    throw new Error((error as { stderr?: string }).stderr || String(error), { cause: error })
  }
}

function nearest(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, name))) {
    if (dirname(folder) === folder) throw new Error(`no ${name} above ${import.meta.url}`)
    folder = dirname(folder)
  }
  return folder
}
