import type { Dirent } from 'node:fs'
import { errnoOf, fromErrno } from './errno.js'
import { lstat, readdir } from './files.js'
import { byBytes, checkPrefix, isKey } from './keys.js'
import type { ListedObject, ListOptions } from './object-store.js'

/** Sizes asked for at once. */
const batchSize = 64

/**
 * The objects below `root` whose keys start with `prefix`, in ascending order of their keys' bytes. Folders that
 * can hold none that is wanted are not read; files that are no objects are passed over.
 */
export async function* listFolder(root: string, prefix: string, options: ListOptions): AsyncGenerator<ListedObject> {
  checkPrefix(prefix)
  const { after = '', limit = Number.POSITIVE_INFINITY } = options
  let listed = 0
  let batch: string[] = []
  const sizes = async () => (await Promise.all(batch.map((key) => sizeOf(root, key)))).filter((o) => o !== undefined)
  if (limit <= 0) return
  for await (const key of keysBelow(root, prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix, after)) {
    batch.push(key)
    if (batch.length < Math.min(batchSize, limit - listed)) continue
    for (const object of await sizes()) {
      yield object
      listed++
    }
    if (listed >= limit) return
    batch = []
  }
  yield* await sizes()
}

/** `folder` is a key's folder with its slash, or empty for the root. */
async function* keysBelow(root: string, folder: string, prefix: string, after: string): AsyncGenerator<string> {
  for (const entry of await entriesOf(root, folder)) {
    const key = folder + entry
    if (key.endsWith('/')) {
      const mayMatch = key.startsWith(prefix) || prefix.startsWith(key)
      // All keys below sort after `key`, and before or after `after` as `key` does, unless that is below as well.
      if (mayMatch && (key > after || after.startsWith(key))) yield* keysBelow(root, key, prefix, after)
    } else if (key.startsWith(prefix) && key > after) yield key
  }
}

/** The names in a folder that can be keys or parts of them, folders with a slash, in the order of the keys. */
async function entriesOf(root: string, folder: string): Promise<string[]> {
  let entries: Dirent[]
  try {
    entries = await readdir(`${root}/${folder}`, { withFileTypes: true })
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return []
    throw fromErrno('list', folder, error)
  }
  const names: string[] = []
  for (const entry of entries) {
    if (isKey(folder + entry.name)) {
      if (entry.isFile()) names.push(entry.name)
      else if (entry.isDirectory()) names.push(`${entry.name}/`)
    }
  }
  return names.sort(byBytes)
}

async function sizeOf(root: string, key: string): Promise<ListedObject | undefined> {
  try {
    return { key, size: (await lstat(`${root}/${key}`)).size }
  } catch (error) {
    // Deleted since its folder was read.
    if (errnoOf(error) === 'ENOENT') return undefined
    throw fromErrno('list', key, error)
  }
}
