import type { Clock } from '../../base/clock.js'
import { Gate } from './gate.js'
import { type HedgeObserver, hedging, noHedgeObserver } from './hedging.js'
import type { StoreOperation } from './metered.js'
import type { ObjectStore } from './object-store.js'

/**
 * What a request to the store is for, the most urgent first. `ledger`: entries and lanes, which producers and all other
 * instances wait for. `tail`: records that have just been written. `backfill`: records that have not. `upkeep`:
 * compaction, collection, snapshots.
 */
export type Purpose = 'ledger' | 'tail' | 'backfill' | 'upkeep'

/** The store, as each purpose sees it. */
export type StoreByPurpose = Readonly<Record<Purpose, ObjectStore>>

/** Who wants to know what requests are for; `main` binds it to metrics. */
export interface PurposeObserver extends HedgeObserver {
  /** A request is wanted. */
  asked(purpose: Purpose, operation: StoreOperation): void
  /** It had to wait for its turn: less urgent requests are bounded. */
  waited(purpose: Purpose, seconds: number): void
}

export const noPurposeObserver: PurposeObserver = { ...noHedgeObserver, asked() {}, waited() {} }

/**
 * Requests under way at once for each purpose, where a request takes long and needs a connection. What the ledger asks
 * for is bounded by itself (`max_inflight_entries`, places asked for ahead), and never waits; together the others leave it
 * more than half of the connections (`socketsMax` of `s3.ts`). A read for a backfill is of some 4 MiB at most.
 */
export const underWayMax = { tail: 24, backfill: 16, upkeep: 6 } as const

/**
 * Keeps requests of different urgency out of each other's way: who reads far behind the tail, or tidies up, waits in a
 * queue of its own. What somebody waits for and takes unusually long is asked for twice (`hedging.ts`). A local store
 * answers at once and has no connections: nothing waits there, and nothing is made twice.
 */
export function byPurpose(store: ObjectStore, clock: Clock, observer: PurposeObserver): StoreByPurpose {
  const urgent = store.kind === 'paid' ? hedging(store, clock, observer) : store
  return {
    ledger: counted(urgent, 'ledger', observer),
    tail: gated(urgent, 'tail', clock, observer),
    backfill: gated(store, 'backfill', clock, observer),
    upkeep: gated(store, 'upkeep', clock, observer),
  }
}

function gated(
  store: ObjectStore,
  purpose: Exclude<Purpose, 'ledger'>,
  clock: Clock,
  observer: PurposeObserver,
): ObjectStore {
  const all = counted(store, purpose, observer)
  if (store.kind === 'local') return all
  const gate = new Gate(underWayMax[purpose])
  const inTurn = <Result>(request: () => Promise<Result>): Promise<Result> => {
    if (!gate.isFull) return gate.pass(request)
    const since = clock.monotonic()
    return gate.pass(() => {
      observer.waited(purpose, (clock.monotonic() - since) / 1_000)
      return request()
    })
  }
  return {
    ...all,
    putIfAbsent: (key, body) => inTurn(() => all.putIfAbsent(key, body)),
    get: (key, range, allocate) => inTurn(() => all.get(key, range, allocate)),
    delete: (keys) => inTurn(() => all.delete(keys)),
  }
}

function counted(store: ObjectStore, purpose: Purpose, observer: PurposeObserver): ObjectStore {
  return {
    url: store.url,
    kind: store.kind,
    putIfAbsent(key, body) {
      observer.asked(purpose, 'put')
      return store.putIfAbsent(key, body)
    },
    get(key, range, allocate) {
      observer.asked(purpose, 'get')
      return store.get(key, range, allocate)
    },
    ...getNowOf(store, () => observer.asked(purpose, 'get')),
    list(prefix, options) {
      observer.asked(purpose, 'list')
      return store.list(prefix, options)
    },
    delete(keys) {
      observer.asked(purpose, 'delete')
      return store.delete(keys)
    },
    ...(store.watch === undefined ? {} : { watch: store.watch.bind(store) }),
    close: () => store.close(),
  }
}

/** `getNow` where the store has it; `asked` is called each time it gave something. */
function getNowOf(store: ObjectStore, asked: () => void): Pick<ObjectStore, 'getNow'> {
  if (store.getNow === undefined) return {}
  return {
    getNow(key, range, allocate, mayLend) {
      const object = store.getNow?.(key, range, allocate, mayLend)
      if (object !== undefined) asked()
      return object
    },
  }
}
