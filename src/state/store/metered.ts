import type { Clock } from '../../base/clock.js'
import type { ListOptions, ObjectStore } from './object-store.js'

export type StoreOperation = 'put' | 'get' | 'list' | 'delete'

/** `absent`: a get or a range of an object that is not there. `exists`: a put that lost. */
export type StoreOutcome = 'ok' | 'exists' | 'absent' | 'error'

/** One request to the store, finished. */
export interface StoreRequest {
  operation: StoreOperation
  outcome: StoreOutcome
  /** From the call to its end, milliseconds; of a listing, what was spent in the store. */
  durationMs: number
  /** Bytes of objects sent or received. */
  bytes: number
  /** Objects put, got, listed or deleted. */
  objects: number
  /** What was thrown, where the outcome is `error`. */
  error?: unknown
}

/** Who wants to know of requests: metrics, tests. Called synchronously, after each; it must not throw. */
export interface StoreObserver {
  finished(request: StoreRequest): void
  /** So many bytes of those that were got were lent, not copied. */
  lent?(bytes: number): void
  /** So many of them are no longer used. */
  givenBack?(bytes: number): void
}

/** The store, with each request reported to `observer`. */
export function metered(store: ObjectStore, observer: StoreObserver, clock: Clock): ObjectStore {
  async function measure<Result>(
    operation: StoreOperation,
    request: () => Promise<Result>,
    describe: (result: Result) => { outcome: StoreOutcome; bytes: number; objects: number },
  ): Promise<Result> {
    const begunMs = clock.monotonic()
    try {
      const result = await request()
      const { outcome, bytes, objects } = describe(result)
      observer.finished({ operation, outcome, durationMs: clock.monotonic() - begunMs, bytes, objects })
      return result
    } catch (error) {
      const durationMs = clock.monotonic() - begunMs
      observer.finished({ operation, outcome: 'error', durationMs, bytes: 0, objects: 0, error })
      throw error
    }
  }

  const getNow: ObjectStore['getNow'] = (key, range, allocate, mayLend) => {
    const begunMs = clock.monotonic()
    const object = store.getNow?.(key, range, allocate, mayLend)
    // Otherwise it is asked again, with `get`.
    if (object === undefined) return undefined
    const { release } = object
    const bytes = object.bytes.length
    observer.finished({ operation: 'get', outcome: 'ok', durationMs: clock.monotonic() - begunMs, bytes, objects: 1 })
    if (release === undefined) return object
    observer.lent?.(bytes)
    return {
      ...object,
      release() {
        observer.givenBack?.(bytes)
        release()
      },
    }
  }

  async function* list(prefix: string, options: ListOptions | undefined) {
    const objects = store.list(prefix, options)[Symbol.asyncIterator]()
    const spent = { durationMs: 0, bytes: 0, objects: 0 }
    let failure: { error: unknown } | undefined
    try {
      for (;;) {
        const begunMs = clock.monotonic()
        const { done, value } = await objects.next().finally(() => {
          spent.durationMs += clock.monotonic() - begunMs
        })
        if (done) break
        spent.objects++
        yield value
      }
    } catch (error) {
      failure = { error }
      throw error
    } finally {
      // Also when who asked has seen enough.
      await objects.return?.()
      observer.finished({ operation: 'list', outcome: failure === undefined ? 'ok' : 'error', ...spent, ...failure })
    }
  }

  return {
    url: store.url,
    kind: store.kind,
    putIfAbsent: (key, body) =>
      measure(
        'put',
        () => store.putIfAbsent(key, body),
        (outcome) => ({
          outcome: outcome === 'created' ? 'ok' : 'exists',
          bytes: body.reduce((sum, piece) => sum + piece.length, 0),
          objects: outcome === 'created' ? 1 : 0,
        }),
      ),
    get: (key, range, allocate) =>
      measure(
        'get',
        () => store.get(key, range, allocate),
        (object) => ({
          outcome: object === undefined ? 'absent' : 'ok',
          bytes: object?.bytes.length ?? 0,
          objects: object === undefined ? 0 : 1,
        }),
      ),
    ...(store.getNow === undefined ? {} : { getNow }),
    list,
    delete: (keys) =>
      measure(
        'delete',
        () => store.delete(keys),
        () => ({ outcome: 'ok', bytes: 0, objects: keys.length }),
      ),
    ...(store.watch === undefined ? {} : { watch: store.watch.bind(store) }),
    close: () => store.close(),
  }
}
