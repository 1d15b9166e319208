import type { Dirent } from 'node:fs'
import { errnoOf, fromErrno } from './errno.js'
import { lstat, opendir, readdir } from './files.js'
import { byBytes, checkPrefix, isKey } from './keys.js'
import type { ListedObject, ListOptions } from './object-store.js'

/** Sizes asked for at once. */
const batchSize = 64
/** Names of a folder read at once. */
const namesAtOnce = 1_024

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
  const isCut = after > folder && after.startsWith(folder)
  const isOfInterest = (key: string) => isWanted(key, prefix, after)
  for (const entry of await entriesOf(root, folder, isOfInterest, isCut)) {
    const key = folder + entry
    if (key.endsWith('/')) yield* keysBelow(root, key, prefix, after)
    else yield key
  }
}

/** Whether a key is asked for, or a folder (with its slash) can hold one that is. */
function isWanted(key: string, prefix: string, after: string): boolean {
  if (!key.endsWith('/')) return key.startsWith(prefix) && key > after
  // All keys below sort after `key`, and before or after `after` as `key` does, unless that is below as well.
  return (key.startsWith(prefix) || prefix.startsWith(key)) && (key > after || after.startsWith(key))
}

/**
 * The wanted names in a folder that can be keys or parts of them, folders with a slash, in the order of the keys. Are
 * most of them passed over, the folder is read piece by piece: a million names take much memory, and time all at once.
 */
async function entriesOf(
  root: string,
  folder: string,
  isWanted: (key: string) => boolean,
  areFew: boolean,
): Promise<string[]> {
  const names: string[] = []
  const add = (entry: Dirent) => {
    const name = entry.isDirectory() ? `${entry.name}/` : entry.name
    if (!isWanted(folder + name) || !(entry.isFile() || entry.isDirectory())) return
    if (isKey(folder + entry.name)) names.push(name)
  }
  try {
    if (areFew) for await (const entry of await opendir(`${root}/${folder}`, { bufferSize: namesAtOnce })) add(entry)
    else for (const entry of await readdir(`${root}/${folder}`, { withFileTypes: true })) add(entry)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return []
    throw fromErrno('list', folder, error)
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
