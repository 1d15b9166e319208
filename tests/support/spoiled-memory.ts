import { BufferPool } from '../../src/base/buffer-pool.js'
import { PinnedMemory } from '../../src/base/pinned-memory.js'

/** Memory that is spoiled as soon as nobody is said to use it, so that who does is found. */
export function spoiledMemory(): PinnedMemory {
  return new PinnedMemory(new BufferPool(2 ** 22), { sharedBytesMax: 0, whenFree: (memory) => memory.fill(0xdd) })
}
