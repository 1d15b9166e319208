import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../src/base/random.js'

/** What the nemesis can do to the cluster. Everything that takes time resolves when it is over. */
export interface Victims {
  instances: number
  /** Instances end of themselves when they have not heard of the store for so long, milliseconds. */
  fenceMs: number
  /** Entries that a stopped instance has not read may be deleted after so long, milliseconds. */
  trimGraceMs: number
  kill(instance: number): void
  terminate(instance: number): void
  pause(instance: number, ms: number, signal: AbortSignal): Promise<void>
  killMember(choice: number): void
  /** Undefined without an S3 server. */
  restartStore: ((downMs: number) => Promise<void>) | undefined
  /** Undefined without a proxy. */
  burst: ((rate: number, ms: number, signal: AbortSignal) => Promise<void>) | undefined
  say(text: string): void
}

/** How long one instance is spared by kills, so that something can come of age on it, in trim grace periods. */
const watchGraces = 2.5

/**
 * Does harm until `signal`, by a schedule that follows from the seed: kills every few seconds; between them stops longer than
 * the fence (some of them longer than the grace period), restarts of the store, bursts of errors, killed group members,
 * orderly restarts. The time is cut into watches: in each of them one instance is spared, since entries are only
 * deleted by an instance that has known them for the grace period; at its end all go down at once, or the store
 * stays away for longer than the fence.
 */
export async function harm(seed: number, victims: Victims, signal: AbortSignal): Promise<void> {
  const random = seededRandom(seed)
  const under: Promise<unknown>[] = []
  let paused: number | undefined
  let isStoreAway = false
  for (let watch = 0; !signal.aborted; watch++) {
    const spared = watch % victims.instances
    victims.say(`watch ${watch + 1}: instance ${spared + 1} is spared`)
    const over = performance.now() + victims.trimGraceMs * watchGraces
    while (performance.now() < over && !signal.aborted) {
      await rest(1_500 + random.next() * 3_000, signal)
      if (signal.aborted) break
      // The same numbers are drawn whatever comes of them, so that the schedule follows from the seed.
      const [what, whom, extent] = [random.next(), random.next(), random.next()]
      const instance = other([spared, paused], whom, victims.instances)
      if (what < 0.7) {
        victims.kill(instance)
      } else if (what < 0.8) {
        if (paused !== undefined) continue
        const longer = victims.trimGraceMs * (1.1 + extent / 4)
        const ms = extent < 0.3 ? longer : victims.fenceMs * (1.15 + extent)
        paused = instance
        under.push(
          victims.pause(instance, ms, signal).finally(() => {
            paused = undefined
          }),
        )
      } else if (what < 0.85) {
        victims.killMember(whom)
      } else if (what < 0.9) {
        victims.terminate(instance)
      } else if (what < 0.95) {
        if (isStoreAway || victims.restartStore === undefined) continue
        isStoreAway = true
        under.push(
          victims.restartStore(extent * 4_000).finally(() => {
            isStoreAway = false
          }),
        )
      } else if (victims.burst !== undefined) under.push(victims.burst(0.1 + extent / 3, 3_000 + whom * 5_000, signal))
    }
    if (signal.aborted) break
    const [what, extent] = [random.next(), random.next()]
    if (what < 0.3 && victims.restartStore !== undefined && !isStoreAway)
      await victims.restartStore(victims.fenceMs * (1.1 + extent / 2))
    else {
      victims.say('all instances go down at once')
      for (let instance = 0; instance < victims.instances; instance++) victims.kill(instance)
    }
  }
  await Promise.all(under)
}

/** One of the instances that are not excepted; if all are, the first one. */
function other(excepted: readonly (number | undefined)[], chance: number, instances: number): number {
  const left = Array.from({ length: instances }, (_, instance) => instance).filter((one) => !excepted.includes(one))
  return left[Math.floor(chance * left.length)] ?? 0
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}
