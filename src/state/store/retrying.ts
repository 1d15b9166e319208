import { setMaxListeners } from 'node:events'
import type { Clock } from '../../base/clock.js'
import { CorruptObjectError, StoreError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import type { ListedObject, ListOptions, ObjectStore } from './object-store.js'

export interface RetryOptions {
  clock: Clock
  random: Random
  /** Attempts in all. */
  attemptsMax?: number
  /** No new attempt begins after so much time; but for the second: one request that is not answered takes it all. */
  totalMs?: number
  /** Longest wait before the second attempt; doubled for each one after it, and once more when the store asked to slow down. */
  backoffMs?: number
  backoffMsMax?: number
  /** Called before each wait, to count and to log. */
  onRetry?: (error: StoreError, attempt: number) => void
  /** Ends the waiting: the last error is thrown then. */
  signal?: AbortSignal
}

/**
 * Repeats a request that failed with a `StoreError` whose `retry` is set, with full jitter between the attempts.
 * @throws the last error when attempts or time run out, and any other error at once.
 */
export async function withRetries<Result>(request: () => Promise<Result>, options: RetryOptions): Promise<Result> {
  const { clock, random, attemptsMax = 8, totalMs = 30_000, backoffMs = 50, backoffMsMax = 5_000 } = options
  const begunMs = clock.monotonic()
  for (let attempt = 1; ; attempt++) {
    try {
      return await request()
    } catch (error) {
      if (!(error instanceof StoreError) || !error.retry || attempt >= attemptsMax) throw error
      const longestMs = Math.min(backoffMsMax, backoffMs * 2 ** (attempt - 1) * (error.slowDown ? 2 : 1))
      const waitMs = random.next() * longestMs
      const isOver = attempt > 1 && clock.monotonic() - begunMs + waitMs > totalMs
      if (options.signal?.aborted || isOver) throw error
      options.onRetry?.(error, attempt)
      await clock.sleep(waitMs, options.signal)
      if (options.signal?.aborted) throw error
    }
  }
}

/**
 * The store, with gets, listings and deletions repeated when they fail.
 *
 * Puts are not: after an unknown outcome 'exists' may be our own success, and only who knows what the object
 * should hold can tell. The ledger does (its own entry is recognised when it is read back); for objects whose key
 * is one writer's alone there is `putOwn`.
 */
export function retrying(store: ObjectStore, options: RetryOptions): ObjectStore {
  const closing = new AbortController()
  const signal = options.signal === undefined ? closing.signal : AbortSignal.any([closing.signal, options.signal])
  // Each request that waits for its next attempt listens to it.
  setMaxListeners(0, signal)
  const retry: RetryOptions = { ...options, signal }
  return {
    url: store.url,
    kind: store.kind,
    putIfAbsent: (key, body) => store.putIfAbsent(key, body),
    get: (key, range, allocate) => withRetries(() => store.get(key, range, allocate), retry),
    ...(store.getNow === undefined ? {} : { getNow: store.getNow.bind(store) }),
    list: (prefix, listing) => listWithRetries(store, prefix, listing ?? {}, retry),
    delete: (keys) => withRetries(() => store.delete(keys), retry),
    ...(store.watch === undefined ? {} : { watch: store.watch.bind(store) }),
    async close() {
      closing.abort()
      await store.close()
    },
  }
}

/**
 * Stores an object whose key is this writer's alone (its name holds a writer number, a random id), whatever it
 * takes: an attempt of unknown outcome is repeated, and if the key exists then, the object is read back and compared.
 * Resolves once the store holds exactly `body`. `store` is not itself a `retrying` one (its gets would be repeated twice over).
 * @throws CorruptObjectError when the key holds something else; StoreError when attempts or time run out.
 */
export async function putOwn(
  store: ObjectStore,
  key: string,
  body: readonly Uint8Array[],
  options: RetryOptions,
): Promise<void> {
  await withRetries(async () => {
    if ((await store.putIfAbsent(key, body)) === 'created') return
    const object = await store.get(key)
    // Deleted in between: by whom, if the key is ours? The next attempt tells.
    if (object === undefined)
      throw new StoreError('put failed: the object exists, yet is not there', { key, retry: true })
    if (!Buffer.concat(body).equals(object.bytes))
      throw new CorruptObjectError(`the object ${key}, which is this writer's alone, holds other bytes`)
  }, options)
}

/** A listing that fails goes on after the last key it gave; the attempts are counted anew when it got further. */
async function* listWithRetries(
  store: ObjectStore,
  prefix: string,
  listing: ListOptions,
  retry: RetryOptions,
): AsyncGenerator<ListedObject> {
  let { after } = listing
  let left = listing.limit ?? Number.POSITIVE_INFINITY
  let objects: AsyncIterator<ListedObject> | undefined
  const next = async () => {
    objects ??= store.list(prefix, { limit: left, ...(after === undefined ? {} : { after }) })[Symbol.asyncIterator]()
    try {
      return await objects.next()
    } catch (error) {
      objects = undefined
      throw error
    }
  }
  try {
    for (;;) {
      const result = await withRetries(next, retry)
      if (result.done) return
      yield result.value
      after = result.value.key
      left--
    }
  } finally {
    await objects?.return?.()
  }
}
