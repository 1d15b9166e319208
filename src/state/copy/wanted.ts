import { entryKey } from '../ledger/keys.js'
import { type OwnedRange, RangesByObject } from '../log/ranges-by-object.js'
import type { State } from '../views/state.js'

/** An object that a copy is to have. */
export interface WantedObject {
  key: string
  /** What in it is wanted; nothing of an entry that only the order needs. */
  ranges: readonly OwnedRange[]
}

/**
 * The objects that a state refers to and the entries from `firstEntry` to `lastEntry`, in the order of a listing. The
 * state must not change meanwhile.
 */
export function* wantedObjects(
  state: State,
  ledger: number,
  firstEntry: number,
  lastEntry: number,
): Generator<WantedObject> {
  let next = firstEntry
  for (const held of new RangesByObject(state, ledger).objects()) {
    for (; next <= lastEntry && entryKey(ledger, next) < held.key; next++)
      yield { key: entryKey(ledger, next), ranges: [] }
    if (next <= lastEntry && entryKey(ledger, next) === held.key) next++
    yield held
  }
  for (; next <= lastEntry; next++) yield { key: entryKey(ledger, next), ranges: [] }
}
