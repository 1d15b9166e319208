import { messageOf } from '../../src/base/errors.js'
import type { Random } from '../../src/base/random.js'
import type { Lease } from '../../src/state/cluster.js'
import type { OpenCluster } from '../../src/state/open-cluster.js'
import type { History } from './history.js'
import type { SimulatedInstance } from './instance.js'
import type { World } from './world.js'

/** Sees who believes to hold one lease. */
export class LeaseWitness {
  acquisitions = 0
  readonly name: string
  readonly #history: History
  readonly #holders = new Map<Lease, SimulatedInstance>()
  #termMax = 0
  /** The last offset whose commit was acknowledged. */
  committed = 0

  constructor(name: string, history: History) {
    this.name = name
    this.#history = history
  }

  get termMax(): number {
    return this.#termMax
  }

  acquired(lease: Lease, instance: SimulatedInstance): void {
    this.acquisitions++
    for (const [other, holder] of this.#holders)
      if (!holder.process.isAlive || other.signal.aborted) this.#holders.delete(other)
      // Who sleeps does nothing; what it does when it wakes up is fenced by the lease's term.
      else if (!holder.process.isPaused)
        this.#history.violation('two lease holders', `of ${this.name}: terms ${other.term} and ${lease.term}`)
    if (lease.term <= this.#termMax)
      this.#history.violation('two lease holders', `of ${this.name}: term ${lease.term} was given again`)
    this.#termMax = Math.max(this.#termMax, lease.term)
    this.#holders.set(lease, instance)
  }

  worked(lease: Lease, termMaxBefore: number): void {
    if (lease.term < termMaxBefore)
      this.#history.violation('stale lease', `${this.name}: term ${lease.term} committed after ${termMaxBefore} began`)
  }
}

/** What a pipeline does on an instance: waits for its lease, works under it and commits, gives it back or loses it. */
export async function holdLease(
  world: World,
  instance: SimulatedInstance,
  witness: LeaseWitness,
  random: Random,
): Promise<void> {
  const { process } = instance
  while (process.isAlive && !world.isEnding) {
    const { cluster } = instance
    if (cluster === undefined || !instance.isServing) {
      await process.clock.sleep(200)
      continue
    }
    try {
      const lease = await cluster.leases.acquire(witness.name, new AbortController().signal)
      witness.acquired(lease, instance)
      await work(world, cluster, lease, instance, witness, random)
      await lease.release()
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'UnavailableError')
        world.history.violation('leases', messageOf(error))
      await process.clock.sleep(500)
    }
  }
}

async function work(
  world: World,
  { pipelineOffsets }: OpenCluster,
  lease: Lease,
  { process }: SimulatedInstance,
  witness: LeaseWitness,
  random: Random,
): Promise<void> {
  const topic = world.stableTopicName
  const atLeast = witness.committed
  const begun = await pipelineOffsets.committed(witness.name, topic, 0)
  let offset = begun?.offset ?? 0
  if (offset < atLeast)
    world.history.violation('offset went back', `${witness.name}: ${offset} is committed, ${atLeast} was`)
  const steps = random.next() * 20
  for (let step = 0; step < steps && !lease.signal.aborted && !world.isEnding; step++) {
    const termMaxBefore = witness.termMax
    offset++
    if (!(await pipelineOffsets.commit(witness.name, topic, new Map([[0, offset]]), lease))) return
    witness.worked(lease, termMaxBefore)
    witness.committed = Math.max(witness.committed, offset)
    await process.clock.sleep(random.next() * 2_000)
  }
}
