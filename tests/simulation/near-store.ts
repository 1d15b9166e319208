import type { MemoryBucket } from '../../src/state/store/memory.js'
import type { ObjectStore } from '../../src/state/store/object-store.js'

/** Of so many objects one must be waited for. */
const farEvery = 3

/** The store, of which most objects can be read at once, as recent ones of a directory can; which ones, their keys tell. */
export function nearStore(store: ObjectStore, bucket: MemoryBucket): ObjectStore {
  return {
    ...store,
    getNow(key, { position, length }, allocate) {
      const object = bucket.objects.get(key)
      if (object === undefined || key.charCodeAt(key.length - 1) % farEvery === 0) return undefined
      const bytes = allocate(Math.max(0, Math.min(object.length, position + length) - position))
      object.copy(bytes, 0, position, position + bytes.length)
      return { bytes, size: object.length }
    },
  }
}
