import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildRoot } from './tools.js'

const program = join(buildRoot, 'src/cli/heraclitus.js')

export interface Ran {
  code: number | null
  out: string
  err: string
}

/** Runs `heraclitus ledger …`. */
export async function ledger(args: string[], env: Record<string, string> = {}): Promise<Ran> {
  const child = spawn(process.execPath, [program, 'ledger', ...args], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}
