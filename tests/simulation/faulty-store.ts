import { StoreError } from '../../src/base/errors.js'
import type { Random } from '../../src/base/random.js'
import type { ObjectStore } from '../../src/state/store/object-store.js'
import type { SimulatedProcess } from './process.js'
import type { VirtualClock } from './virtual-clock.js'

/** How the store and the network to it behave. Shares are of requests, times are milliseconds. */
export interface Faults {
  /** Median time of a put and of a get; log-normal around it (sigma 0.4). */
  putMs: number
  getMs: number
  /** What is created is flushed before that is said, which takes so long more; to find that an object exists does not. 0 by default. */
  flushMs?: number
  /** Take up to half a second longer. */
  outliers: number
  /** Fail: half of them before they took effect, half after. */
  failures: number
  /** Are never answered. The caller gives up; a put may take effect then, or much later. */
  silences: number
  /** Are refused at once, without an effect: SlowDown, or 409 because another put of the key is under way. */
  refusals: number
  /** Are sent twice by a client library that lost the first answer: a put finds its own object. */
  repeats: number
  /** A put that nobody waits for any more may still take effect within this time; half a minute by default. */
  lateMs?: number
}

export const noFaults = { outliers: 0, failures: 0, silences: 0, refusals: 0, repeats: 0 } as const

/** A request that is not answered is given up after this time. */
const requestTimeoutMs = 2_000
const lateMsDefault = 30_000

/** What a process asked of the store. */
export interface StoreUse {
  puts: number
  gets: number
  underWay: number
  /** Most requests that were under way at once. */
  underWayMax: number
}

export interface FaultyStoreOptions {
  process: SimulatedProcess
  world: VirtualClock
  random: Random
  faults: () => Faults
  /** No request of this process reaches the store. */
  isCutOff?: () => boolean
  onPut?: (key: string) => void
  use?: StoreUse
}

/** An object store as a simulated process sees it through a bad network. Nothing is watched: it must be polled. */
export function faultyStore(store: ObjectStore, options: FaultyStoreOptions): ObjectStore {
  const { process, world, random, faults, isCutOff = () => false, onPut } = options
  const use = options.use ?? { puts: 0, gets: 0, underWay: 0, underWayMax: 0 }
  const latency = (medianMs: number) => {
    const normal = Math.sqrt(-2 * Math.log(random.next() || 1e-9)) * Math.cos(2 * Math.PI * random.next())
    return medianMs * Math.exp(0.4 * normal) + (random.next() < faults().outliers ? random.next() * 500 : 0)
  }

  /** Half the time passes before the request takes effect, half before its answer is heard. */
  function request<T>(key: string, medianMs: number, effect: () => Promise<T>, flushMs = 0): Promise<T> {
    use.underWay++
    use.underWayMax = Math.max(use.underWayMax, use.underWay)
    return new Promise<T>((resolve, reject) => {
      const fault = drawFault(faults(), random, isCutOff())
      const ms = latency(medianMs)
      const hear = (afterMs: number, settle: () => void) => world.after(afterMs, () => process.deliver(settle))
      const fail = (message: string, slowDown = false) => {
        reject(new StoreError(message, { key, retry: true, slowDown }))
      }
      // What a process that crashes had under way reaches the store, or does not.
      const reaches = () => process.isAlive || random.next() < 0.5
      if (fault === 'refused') {
        const slowDown = random.next() < 0.5
        hear(ms, () => fail(slowDown ? 'simulated 503 SlowDown' : 'simulated 409 conflict', slowDown))
        return
      }
      if (fault === 'cutOff') {
        hear(ms, () => fail('simulated connection failure'))
        return
      }
      if (fault === 'silent') {
        // It takes effect in time, late or never; nobody hears of it.
        const effectMs = random.next() < 0.5 ? ms : random.next() * (faults().lateMs ?? lateMsDefault)
        if (random.next() < 0.7) world.after(effectMs, () => void effect().catch(() => undefined))
        hear(requestTimeoutMs, () => fail('simulated time-out'))
        return
      }
      const arrive = () => {
        if (fault === 'before' || !reaches()) {
          hear(ms / 2, () => fail('simulated failure'))
          return
        }
        const outcome = fault === 'repeated' ? effect().then(effect) : effect()
        outcome.then(
          (value) =>
            hear(
              ms / 2 + (value === 'created' && flushMs > 0 ? latency(flushMs) : 0),
              fault === 'after' ? () => fail('simulated failure') : () => resolve(value),
            ),
          (error: unknown) => hear(ms / 2, () => reject(error)),
        )
      }
      world.after(ms / 2, () => {
        const chance = process.isPaused ? random.next() : 1
        // What a process that pauses had not quite sent is sent when it wakes; or it is on the way meanwhile.
        if (chance < 0.3) process.deliver(arrive)
        else if (chance < 0.5) world.after((process.pausedUntilMs - world.monotonic()) * random.next(), arrive)
        else arrive()
      })
    }).finally(() => {
      use.underWay--
    })
  }

  return {
    url: store.url,
    kind: store.kind,
    putIfAbsent: (key, body) => {
      use.puts++
      onPut?.(key)
      // The pieces may be read until it is answered.
      return request(key, faults().putMs, () => store.putIfAbsent(key, body), faults().flushMs)
    },
    get: (key, range) => {
      use.gets++
      return request(key, faults().getMs, () => store.get(key, range))
    },
    ...(store.getNow === undefined
      ? {}
      : {
          getNow: (key, range, allocate, mayLend) =>
            isCutOff() || !process.isAlive ? undefined : store.getNow?.(key, range, allocate, mayLend),
        }),
    async *list(prefix, listOptions) {
      const listed = await request(prefix, faults().getMs, async () => {
        const objects = []
        for await (const object of store.list(prefix, listOptions)) objects.push(object)
        return objects
      })
      yield* listed
    },
    delete: (keys) => request(keys[0] ?? '', faults().putMs, () => store.delete(keys)),
    close: () => Promise.resolve(),
  }
}

type Fault = 'none' | 'before' | 'after' | 'silent' | 'refused' | 'repeated' | 'cutOff'

function drawFault(faults: Faults, random: Random, isCutOff: boolean): Fault {
  if (isCutOff) return 'cutOff'
  let at = random.next()
  const hits = (share: number) => {
    at -= share
    return at < 0
  }
  if (hits(faults.failures / 2)) return 'before'
  if (hits(faults.failures / 2)) return 'after'
  if (hits(faults.silences)) return 'silent'
  if (hits(faults.refusals)) return 'refused'
  return hits(faults.repeats) ? 'repeated' : 'none'
}
