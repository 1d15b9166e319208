import { spawn, spawnSync } from 'node:child_process'
import type { S3Server } from '../../tests/integration/s3-server.js'
import { answeringServer, freePort, type Server } from './server.js'

/** How to get it, for who has not. */
export const tansuInstallation = 'cargo install tansu@0.6.0 --locked --features dynostore'

/** The `tansu` program: HERACLITUS_BENCH_TANSU, or what the PATH has. */
export function findTansu(): string | undefined {
  const program = process.env.HERACLITUS_BENCH_TANSU ?? 'tansu'
  return spawnSync('sh', ['-c', 'command -v "$0"', program]).status === 0 ? program : undefined
}

/** Starts a Tansu broker that stores in a bucket of an S3 server at `endpoint`, and waits until it answers. */
export async function startTansu(program: string, endpoint: string, s3: S3Server): Promise<Server> {
  const port = await freePort()
  const url = `tcp://127.0.0.1:${port}`
  const startedAt = performance.now()
  const options = ['--cluster-id', 'tansu', '--storage-engine', `s3://${s3.bucket}/`, '--listener-url', url]
  const child = spawn(program, ['broker', ...options, '--advertised-listener-url', url], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      AWS_ENDPOINT: endpoint,
      AWS_ALLOW_HTTP: 'true',
      AWS_DEFAULT_REGION: s3.region,
      AWS_REGION: s3.region,
      AWS_ACCESS_KEY_ID: s3.accessKey,
      AWS_SECRET_ACCESS_KEY: s3.secretKey,
    },
  })
  return answeringServer(child, port, startedAt, () => {})
}
