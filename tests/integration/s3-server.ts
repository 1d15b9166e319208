import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { freePort } from './free-port.js'
import { cacheDirectory } from './tools.js'

/** The S3 server that tests run against: Versity S3 Gateway over a plain folder. */
const module = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0'

/** A real S3 server with an empty bucket of its own. */
export interface S3Server {
  skip: undefined
  endpoint: string
  region: string
  accessKey: string
  secretKey: string
  bucket: string
  /** Each bucket is a folder in this one, each object a file of its name. */
  folder: string
  /** What a process needs in its environment to use the server. */
  environment: Record<string, string>
  /** Kills the server (SIGKILL), waits `downMs`, and starts it again on the same port and folder. */
  restart(downMs?: number): Promise<void>
  /** Ends the server and removes its objects. */
  stop(): Promise<void>
}

/** Why there is none: for `test(…, { skip })`. */
export interface NoS3Server {
  skip: string
}

/**
 * Starts an S3 server on a free port. The program is `HERACLITUS_TEST_VERSITYGW`, or else is built once with Go.
 * Where that is not possible, tests are skipped by name; with `HERACLITUS_TEST_REQUIRE_ALL=1` it is an error.
 * Its objects lie in `keptIn`, an empty folder that `stop` leaves as it is, or else in one that `stop` removes.
 */
export async function startS3Server(keptIn?: string): Promise<S3Server | NoS3Server> {
  let program: string
  try {
    program = await findProgram()
  } catch (error) {
    const reason = `no S3 server: set HERACLITUS_TEST_VERSITYGW to a versitygw, or install Go (${String(error)})`
    if (process.env.HERACLITUS_TEST_REQUIRE_ALL === '1') throw new Error(reason)
    return { skip: reason }
  }
  const folder = keptIn ?? fs.mkdtempSync(`${tmpdir()}/heraclitus-s3-`)
  const port = await freePort()
  const access = { accessKey: 'testaccess', secretKey: 'testsecret' }
  const endpoint = `http://127.0.0.1:${port}`
  const region = 'us-east-1'
  const bucket = 'heraclitus-test'

  let server = await start()
  const killAtExit = () => server.kill('SIGKILL')
  process.once('exit', killAtExit)
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: access.accessKey, secretAccessKey: access.secretKey },
  })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()

  async function start(): Promise<ChildProcess> {
    const args = ['--port', `127.0.0.1:${port}`, '--access', access.accessKey, '--secret', access.secretKey]
    const child = spawn(program, [...args, '--keep-alive', '--quiet', 'posix', folder], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let complaints = ''
    child.stderr.on('data', (chunk: Buffer) => {
      complaints = (complaints + chunk.toString()).slice(-2_000)
    })
    for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 25) {
      if (child.exitCode !== null) break
      if (await answers(endpoint)) return child
      await sleep(25)
    }
    child.kill('SIGKILL')
    throw new Error(`versitygw did not come up (does ${folder} keep user extended attributes?): ${complaints}`)
  }

  async function end(): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill('SIGKILL')
    await ended
  }

  return {
    skip: undefined,
    endpoint,
    region,
    ...access,
    bucket,
    folder,
    environment: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: access.accessKey,
      AWS_SECRET_ACCESS_KEY: access.secretKey,
    },
    async restart(downMs = 0) {
      await end()
      await sleep(downMs)
      server = await start()
    },
    async stop() {
      process.removeListener('exit', killAtExit)
      await end()
      if (keptIn === undefined) fs.rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function findProgram(): Promise<string> {
  const given = process.env.HERACLITUS_TEST_VERSITYGW
  if (given !== undefined) {
    fs.accessSync(given, fs.constants.X_OK)
    return given
  }
  const bin = `${cacheDirectory}/bin`
  const program = `${bin}/${module.slice(module.lastIndexOf('/') + 1).replace('@', '-')}`
  if (fs.existsSync(program)) return program
  // Built aside and moved into its place, as several test processes may come here at once.
  fs.mkdirSync(bin, { recursive: true })
  const building = fs.mkdtempSync(`${bin}/building-`)
  try {
    await promisify(execFile)('go', ['install', '-p', '2', module], { env: { ...process.env, GOBIN: building } })
    fs.renameSync(`${building}/versitygw`, program)
  } finally {
    fs.rmSync(building, { recursive: true, force: true })
  }
  return program
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    const response = await fetch(endpoint)
    await response.arrayBuffer()
    return response.status !== 503
  } catch {
    return false
  }
}
