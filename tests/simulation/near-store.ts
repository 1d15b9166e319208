import type { MemoryBucket } from '../../src/state/store/memory.js'
import type { ObjectStore } from '../../src/state/store/object-store.js'

/** Of so many objects one must be waited for. */
const farEvery = 3
/** Of so many ranges that may be lent one is, as their positions have it. */
const lentEvery = 2

/**
 * The store, of which most objects can be read at once, as recent ones of a directory can; which ones, their keys tell. Some of
 * these are lent: what is given back is spoiled, so that who still uses it is found.
 */
export function nearStore(store: ObjectStore, bucket: MemoryBucket): ObjectStore {
  return {
    ...store,
    getNow(key, { position, length }, allocate, mayLend) {
      const object = bucket.objects.get(key)
      if (object === undefined || key.charCodeAt(key.length - 1) % farEvery === 0) return undefined
      const size = object.length
      const bytes = allocate(Math.max(0, Math.min(size, position + length) - position))
      object.copy(bytes, 0, position, position + bytes.length)
      const isLent = mayLend && position % lentEvery === 0
      return isLent ? { bytes, size, release: () => void bytes.fill(0xdd) } : { bytes, size }
    },
  }
}
