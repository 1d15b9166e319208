import type { Clock } from '../../base/clock.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import { directoryStore } from './directory.js'
import { memoryStore } from './memory.js'
import type { ObjectStore } from './object-store.js'
import type { S3StoreOptions } from './s3.js'

export interface OpenStoreOptions {
  /** `file:` only: whether objects are flushed to the disk before a put resolves; true by default. */
  fsync?: boolean
  /** `file:` only: whether large pieces of files may be mapped into memory instead of being read; true by default. */
  mmap?: boolean
  /** `file:` only: nothing is to be changed, nor made if it is not there. */
  readOnly?: boolean
  /** `s3://` only: another server than AWS, and how to speak to it. */
  s3?: Pick<S3StoreOptions, 'endpoint' | 'region' | 'forcePathStyle'>
  clock: Clock
  random: Random
  log: Log
}

/**
 * Opens the store that the URL names: `memory:`, `file:<path>` (`file:./data`, `file:/var/lib/heraclitus`,
 * `file:///var/lib/heraclitus`) or `s3://<bucket>/<prefix>`.
 * @throws Error that says what was expected when the URL is none of these; StoreError when the store can't be used.
 */
export async function openStore(url: string, options: OpenStoreOptions): Promise<ObjectStore> {
  if (url === 'memory:') return memoryStore()
  if (url.startsWith('file:')) return directoryStore({ ...options, path: pathOf(url) })
  if (url.startsWith('s3://')) {
    // Loaded only where it is used: the SDK takes some 60 ms and 22 MB.
    const { s3Store } = await import('./s3.js')
    return s3Store({ ...options.s3, url, log: options.log })
  }
  throw new Error(`bad storage URL '${url}': expected memory:, file:<path> or s3://<bucket>/<prefix>`)
}

function pathOf(url: string): string {
  const rest = url.slice('file:'.length)
  const path = rest.startsWith('//') ? rest.slice(2) : rest
  if (path === '' || (rest.startsWith('//') && !path.startsWith('/')))
    throw new Error(`bad storage URL '${url}': expected file:./<relative path> or file:/<absolute path>`)
  return path
}
