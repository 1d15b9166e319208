import type { ObjectStore } from './object-store.js'

/** Puts of one key at once, of which a fit server lets one through. */
const racers = 8

/**
 * Proves that the store honours create-if-absent, by which everything stands: a second put of a key must change
 * nothing and say so, and of several at once exactly one may win. There are servers that ignore or race
 * `If-None-Match`; they would lose acknowledged records without a word. Leaves nothing behind.
 * @param probe what the keys begin with that it puts; nobody else's
 * @throws Error that says what the store did; StoreError when it can't be reached.
 */
export async function checkConditionalPut(store: ObjectStore, probe: string): Promise<void> {
  const keys = [`${probe}-again`, `${probe}-race`] as const
  try {
    await checkAgain(store, keys[0])
    await checkRace(store, keys[1])
  } finally {
    await store.delete(keys)
  }
}

async function checkAgain(store: ObjectStore, key: string): Promise<void> {
  const first = await store.putIfAbsent(key, [Buffer.from('first')])
  const second = await store.putIfAbsent(key, [Buffer.from('second')])
  const kept = (await store.get(key))?.bytes.toString()
  if (first === 'created' && second === 'exists' && kept === 'first') return
  throw unfit(
    store,
    `of two puts of one new key the first ${said(first)}, the second ${said(second)}, and the object is ${kept ?? 'missing'}`,
  )
}

async function checkRace(store: ObjectStore, key: string): Promise<void> {
  const results = await Promise.allSettled(
    Array.from({ length: racers }, (_, i) => store.putIfAbsent(key, [Buffer.from(String(i))])),
  )
  const winners = results.flatMap((result, i) =>
    result.status === 'fulfilled' && result.value === 'created' ? [String(i)] : [],
  )
  const kept = (await store.get(key))?.bytes.toString()
  const unknown = results.filter(({ status }) => status === 'rejected').length
  // A put that failed (409, time-out) may have been the winner; more than one, or a loser's bytes, is wrong anyway.
  if (winners.length === 1 && kept === winners[0]) return
  if (winners.length === 0 && unknown > 0) return
  throw unfit(store, `of ${racers} puts of one key at once ${winners.length} created it`)
}

function said(outcome: 'created' | 'exists'): string {
  return outcome === 'created' ? 'created it' : 'found it there'
}

function unfit(store: ObjectStore, found: string): Error {
  return new Error(
    `the storage ${store.url} does not honour create-if-absent (If-None-Match: *): ${found}; ` +
      'Heraclitus needs a store with conditional writes, as S3 itself, MinIO or versitygw have',
  )
}
