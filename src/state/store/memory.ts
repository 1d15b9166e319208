import { byBytes, checkKey, checkPrefix, folderOf } from './keys.js'
import type { ObjectStore, StoredObject } from './object-store.js'

/** What a memory store's objects live in; several stores on one bucket see the same objects, as processes on S3 do. */
export class MemoryBucket {
  readonly objects = new Map<string, Buffer>()
  readonly watchers = new Map<string, Set<() => void>>()
  #sortedKeys: string[] | undefined

  /** All keys in ascending order. */
  sortedKeys(): readonly string[] {
    this.#sortedKeys ??= [...this.objects.keys()].sort(byBytes)
    return this.#sortedKeys
  }

  /** Stores the object and tells those who watch its folder. */
  add(key: string, bytes: Buffer): void {
    this.objects.set(key, bytes)
    this.#sortedKeys = undefined
    for (const onChange of this.watchers.get(folderOf(key)) ?? []) queueMicrotask(onChange)
  }

  remove(key: string): void {
    if (this.objects.delete(key)) this.#sortedKeys = undefined
  }
}

/** A store in this process's memory: for tests and for trying things out. Gone with the process. */
export function memoryStore(bucket = new MemoryBucket()): ObjectStore {
  const stops = new Set<() => void>()
  return {
    url: 'memory:',
    kind: 'local',

    async putIfAbsent(key, body) {
      checkKey(key)
      if (bucket.objects.has(key)) return 'exists'
      bucket.add(key, Buffer.concat(body))
      return 'created'
    },

    async get(key, range, allocate = Buffer.allocUnsafeSlow): Promise<StoredObject | undefined> {
      checkKey(key)
      const object = bucket.objects.get(key)
      if (object === undefined) return undefined
      const bytes = range === undefined ? object : object.subarray(range.position, range.position + range.length)
      // A copy: who reads may patch what it was given.
      const copy = allocate(bytes.length)
      bytes.copy(copy)
      return { bytes: copy, size: object.length }
    },

    async *list(prefix, { after = '', limit = Number.POSITIVE_INFINITY } = {}) {
      checkPrefix(prefix)
      const keys = bucket.sortedKeys()
      let listed = 0
      for (let index = firstAtLeast(keys, after > prefix ? after : prefix); index < keys.length; index++) {
        const key = keys[index]
        if (listed >= limit || key === undefined || !key.startsWith(prefix)) return
        const object = bucket.objects.get(key)
        // Deleted since the listing began, or the very key to begin after.
        if (object === undefined || key <= after) continue
        listed++
        yield { key, size: object.length }
      }
    },

    async delete(keys) {
      for (const key of keys) {
        checkKey(key)
        bucket.remove(key)
      }
    },

    watch(folder, onChange) {
      const watchers = bucket.watchers.get(folder) ?? new Set()
      bucket.watchers.set(folder, watchers)
      // Each call is a watch of its own, also when two share a listener.
      const listener = () => {
        if (watchers.has(listener)) onChange()
      }
      watchers.add(listener)
      const stop = () => {
        watchers.delete(listener)
        stops.delete(stop)
      }
      stops.add(stop)
      return stop
    },

    async close() {
      for (const stop of stops) stop()
    },
  }
}

/** The index of the first key that is not before `bound`. */
function firstAtLeast(keys: readonly string[], bound: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] ?? '') < bound) low = middle + 1
    else high = middle
  }
  return low
}
