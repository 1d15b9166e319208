import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cacheFolder, loadFolder } from './folders.js'
import { javaTool } from './java-tools.js'
import { type Client, type Load, type Mode, pacedRate } from './loads.js'

const run = promisify(execFile)

/** What a load program reports; times and CPU are its own. */
export interface LoadResult {
  client: string
  version: string
  records: number
  seconds: number
  /** From send to acknowledgement, or from send to consumption; null where it is not measured. */
  p50Ms: number | null
  p99Ms: number | null
  /** Of all values; null for Kafka's own tools, whose records carry none. */
  checksum: number | null
  cpuSeconds: number | null
  disorder: number
  /** The producer promised order. */
  idempotent: boolean
}

export interface LoadRun {
  load: Load
  mode: Mode
  bootstrap: string
  topic: string
  records: number
  /** Records a second; by the mode unless given. */
  rate?: number
  /** Differs from run to run, so that a consumer can tell whose records it reads. */
  run: string
}

export type Generator = (run: LoadRun) => Promise<LoadResult>

const timeoutSeconds = 120

/** Compiles or installs that client's load program, once per content of its sources. */
export async function generatorOf(client: Client): Promise<Generator> {
  switch (client) {
    case 'franz-go':
      return program(await goProgram())
    case 'librdkafka':
      return program(await pythonProgram())
    case 'kafkajs':
      return program([process.execPath, fileURLToPath(new URL('./load/kafkajs.js', import.meta.url))])
    case 'java':
      return javaTool(timeoutSeconds)
  }
}

/** Runs a program with the command line of load/README.md. */
function program([command = '', ...first]: string[]): Generator {
  return async ({ load, mode, bootstrap, topic, records, rate, run: runId }) => {
    const options = {
      bootstrap,
      topic,
      mode: mode === 'paced' ? 'produce' : mode,
      records,
      size: load.size,
      compression: load.compression,
      acks: load.acks,
      rate: rate ?? (mode === 'paced' ? pacedRate : 0),
      run: runId,
      timeout: timeoutSeconds,
    }
    const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
    const { stdout } = await run(command, [...first, ...args], { timeout: (timeoutSeconds + 30) * 1000 })
    return JSON.parse(stdout) as LoadResult
  }
}

/** Compiles the franz-go load program; gives its command line. */
export async function goProgram(): Promise<string[]> {
  const folder = join(loadFolder, 'go')
  const target = join(cacheFolder, `franz-go-${contentHash(folder, readdirSync(folder).sort())}`)
  if (!existsSync(target)) {
    process.stderr.write('building the franz-go load program\n')
    await mkdir(cacheFolder, { recursive: true })
    await run('go', ['build', '-o', `${target}.part`, '.'], { cwd: folder })
    await rename(`${target}.part`, target)
  }
  return [target]
}

/** Installs librdkafka for Python; gives the command line of its load program. */
export async function pythonProgram(): Promise<string[]> {
  const folder = join(loadFolder, 'python')
  const environment = join(cacheFolder, `python-${contentHash(folder, ['requirements.txt'])}`)
  const installed = join(environment, 'installed')
  if (!existsSync(installed)) {
    process.stderr.write('installing librdkafka (confluent-kafka)\n')
    await rm(environment, { recursive: true, force: true })
    await run('python3', ['-m', 'venv', environment])
    const requirements = join(folder, 'requirements.txt')
    await run(join(environment, 'bin/pip'), ['install', '-q', '--only-binary', ':all:', '-r', requirements])
    await writeFile(installed, '')
  }
  return [join(environment, 'bin/python'), join(folder, 'load.py')]
}

function contentHash(folder: string, files: string[]): string {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(join(folder, file)))
  return hash.digest('hex').slice(0, 12)
}
