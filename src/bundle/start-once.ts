import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../base/clock.js'

const program = fileURLToPath(new URL('./keep-code.js', import.meta.url))

/** A start takes less than a second; of a machine on which it takes this long nothing is to be learnt, milliseconds. */
const startMsMax = 60_000

/** ApiVersions, version 0, correlation id 1, no client id: the first that a client asks. */
const apiVersions = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])

/**
 * Starts a gateway from the bundle, on an empty directory, until it has answered once; gives the code of what has run.
 * @throws Error when it does not come to that.
 */
export async function startOnce(): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'heraclitus-build-'))
  const codeFile = join(folder, 'code')
  // Nobody's settings, and no options of Node.js: V8 takes the code only under the same.
  const inherited = Object.entries(process.env).filter(([name]) => !/^(HERACLITUS|NODE)_/.test(name))
  const child = spawn(process.execPath, [program, codeFile], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...Object.fromEntries(inherited),
      HERACLITUS_KAFKA_HOST: '127.0.0.1',
      HERACLITUS_KAFKA_PORT: '0',
      HERACLITUS_METRICS_HOST: '127.0.0.1',
      HERACLITUS_METRICS_PORT: '0',
      HERACLITUS_STORAGE_URL: `file:${folder}/data`,
    },
  })
  const patience = systemClock.after(startMsMax, () => child.kill('SIGKILL'))
  try {
    const lines: string[] = []
    const ended = once(child, 'close')
    for await (const line of createInterface({ input: child.stderr })) {
      lines.push(line)
      const port = /"kafkaPort":(\d+)/.exec(line)?.[1]
      if (port === undefined) continue
      await answerFrom(Number(port))
      child.kill('SIGTERM')
    }
    const [code, signal] = await ended
    if (code !== 0) throw new Error(`a start ended with ${code ?? signal}\n${lines.join('\n')}`)
    return readFileSync(codeFile)
  } finally {
    patience.cancel()
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Resolves once the gateway on that port of this machine has answered. */
async function answerFrom(port: number): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port })
  socket.write(apiVersions)
  try {
    await once(socket, 'data')
  } finally {
    socket.destroy()
  }
}
