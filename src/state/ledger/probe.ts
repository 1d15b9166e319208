import type { Random } from '../../base/random.js'
import { checkConditionalPut } from '../store/conditional-put.js'
import type { ObjectStore } from '../store/object-store.js'
import { numberOfKey, probeKey, writersPrefix } from './keys.js'

/**
 * Proves that the store honours create-if-absent. What a start that is killed meanwhile leaves behind is named by the
 * highest claim of a writer number that it found: by that the collector tells how old it is. (The number below which
 * writers are forgotten is never above the next one to be claimed: so what bears a lower number was there before.)
 * @throws Error that says what the store did; StoreError when it can't be reached.
 */
export async function checkStore(store: ObjectStore, random: Random): Promise<void> {
  let highest = 0
  for await (const { key } of store.list(writersPrefix(0))) highest = Math.max(highest, numberOfKey(key))
  await checkConditionalPut(store, probeKey(highest, random.hex(16)))
}
