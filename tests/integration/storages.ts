import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GatewayOptions } from './gateway.js'
import { startS3Server } from './s3-server.js'
import { lookFor } from './tools.js'

/** A place that several gateways may share, or one that dies may find again. */
export interface SharedStorage {
  options: Pick<GatewayOptions, 'storage' | 'env'>
  remove(): Promise<void>
}

/** Each kind of storage the gateway has that outlives it: how to make an empty one, or why it can't be had here. */
export const storages: { name: string; skip: string | false; make(): Promise<SharedStorage> }[] = [
  {
    name: 'a directory',
    skip: false,
    async make() {
      const folder = await mkdtemp(join(tmpdir(), 'heraclitus-storage-'))
      return {
        options: { storage: `file:${folder}/data` },
        remove: () => rm(folder, { recursive: true, force: true }),
      }
    },
  },
  {
    name: 'an S3 bucket',
    skip: (await lookFor('an S3 server', findS3Server)).skip,
    async make() {
      const server = await startS3Server()
      if (server.skip !== undefined) throw new Error(server.skip)
      return {
        options: { storage: `s3://${server.bucket}/test`, env: server.environment },
        remove: () => server.stop(),
      }
    },
  },
]

async function findS3Server(): Promise<void> {
  const server = await startS3Server()
  if (server.skip !== undefined) throw new Error(server.skip)
  await server.stop()
}
