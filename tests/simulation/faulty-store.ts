import { StoreError } from '../../src/base/errors.js'
import type { Random } from '../../src/base/random.js'
import type { ObjectStore } from '../../src/state/store/object-store.js'
import type { SimulatedProcess } from './process.js'
import type { VirtualClock } from './virtual-clock.js'

export interface Faults {
  /** Median time of a put and of a get, milliseconds; log-normal around it. */
  putMs: number
  getMs: number
  /** Share of requests that fail; half of the failed puts take effect all the same. */
  failures: number
  /** Share of requests that take up to half a second longer. */
  outliers: number
}

/** An object store as a simulated process sees it through a bad network. Nothing is watched: it must be polled. */
export function faultyStore(
  store: ObjectStore,
  options: { process: SimulatedProcess; world: VirtualClock; random: Random; faults: () => Faults },
): ObjectStore {
  const { process, world, random, faults } = options
  const latency = (medianMs: number) => {
    const normal = Math.sqrt(-2 * Math.log(random.next() || 1e-9)) * Math.cos(2 * Math.PI * random.next())
    return medianMs * Math.exp(0.4 * normal) + (random.next() < faults().outliers ? random.next() * 500 : 0)
  }

  /** Half the time passes before the request takes effect, half before its answer is heard. */
  function request<T>(key: string, medianMs: number, effect: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const ms = latency(medianMs)
      const fails = random.next() < faults().failures
      const takesEffect = !fails || random.next() < 0.5
      const answer = (settle: () => void) => world.after(ms / 2, () => process.deliver(settle))
      const failure = () => reject(new StoreError('simulated failure', { key, retry: true }))
      world.after(ms / 2, () => {
        if (!takesEffect) {
          answer(failure)
          return
        }
        effect().then(
          (value) => answer(fails ? failure : () => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        )
      })
    })
  }

  return {
    url: store.url,
    kind: store.kind,
    putIfAbsent: (key, body) => {
      // What goes over the network is what the pieces hold when the request is made.
      const copy = Buffer.concat(body)
      return request(key, faults().putMs, () => store.putIfAbsent(key, [copy]))
    },
    get: (key, range) => request(key, faults().getMs, () => store.get(key, range)),
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
