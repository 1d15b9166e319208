import { seededRandom } from '../../../src/base/random.js'
import { MemoryBucket } from '../../../src/state/store/memory.js'
import { VirtualClock } from '../virtual-clock.js'
import {
  burst,
  commitOnAndOn,
  consume,
  createTopic,
  passingTopic,
  produce,
  readers,
  runJob,
  type Surroundings,
} from './clients.js'
import { day, hour, minute, WeekInstance } from './instances.js'
import { measure, type Size } from './size.js'

export interface WeekOptions {
  hours: number
  seed: number
  /** Called with what there is at the end of each hour. */
  onHour(size: Size): void
}

export interface Week {
  sizes: Size[]
  /** What went wrong; empty if nothing did. */
  problems: string[]
  starts: number
  crashes: number
  /** Objects that the collector deleted, by kind. */
  deleted: ReadonlyMap<string, number>
}

const instanceCount = 3
const steadyPartitions = 6
const sizedPartitions = 2
const burstMs = 10_000

/**
 * Lives through hours of traffic in virtual time: the real state with its upkeep, three instances of which one ends every
 * hour (every other time it crashes, half of the times while all write at once), producers, readers, groups and topics that come and go.
 */
export async function live({ hours, seed, onHour }: WeekOptions): Promise<Week> {
  const clock = new VirtualClock()
  const bucket = new MemoryBucket()
  const random = seededRandom(seed)
  const problems: string[] = []
  const sizes: Size[] = []
  const deleted = new Map<string, number>()
  let [starts, crashes, isOver] = [0, 0, false]
  const start = () => {
    starts++
    return new WeekInstance({ clock, bucket, random, problems, deleted })
  }
  const instances = Array.from({ length: instanceCount }, start)
  const around: Surroundings = {
    clock,
    random,
    problems,
    any() {
      const up = instances.filter(({ isServing }) => isServing)
      return up[Math.floor(random.next() * up.length)]
    },
    all: () => instances,
    isOver: () => isOver,
  }

  /** One instance ends, and another process takes its place a while later. */
  const replaceOne = async (slot: number, isCrash: boolean) => {
    const instance = instances[slot]
    if (instance === undefined) return
    if (isCrash) instance.process.crash()
    else await instance.close()
    if (isCrash) crashes++
    await clock.sleep(minute * random.next())
    instances[slot] = start()
  }

  const run = async () => {
    const retention: [string, string][] = [['retention.ms', String(day)]]
    const steady = await createTopic(around, 'steady', steadyPartitions, retention)
    const sized = await createTopic(around, 'sized', sizedPartitions, [
      ['retention.ms', '-1'],
      ['retention.bytes', String(2 ** 20)],
    ])
    const bursts = await createTopic(around, 'bursts', instanceCount, retention)
    if (steady === undefined || sized === undefined || bursts === undefined) return
    for (let partition = 0; partition < steadyPartitions; partition++) {
      void produce(around, steady, partition, 20_000)
      for (const behindMs of readers) void consume(around, steady, partition, behindMs)
    }
    for (let partition = 0; partition < sizedPartitions; partition++) void produce(around, sized, partition, minute)
    void commitOnAndOn(around, 'observers', steady)
    for (let passed = 0; !isOver; passed++) {
      void runJob(around, `job-${passed}`, steady)
      if (passed % 2 === 0) void passingTopic(around, `passing-${passed}`)
      const ends = (isInBurst: boolean) =>
        void replaceOne(Math.floor(random.next() * instanceCount), isInBurst || passed % 4 === 0)
      clock.after(random.next() * burstMs, () => passed % 2 === 1 && ends(true))
      clock.after((0.1 + 0.8 * random.next()) * hour, () => passed % 2 === 0 && ends(false))
      await burst(around, bursts, burstMs)
      await clock.sleep(hour - burstMs)
    }
  }

  const begin = clock.monotonic()
  void run().catch((error: unknown) => problems.push(`the week ended early: ${String(error)}`))
  for (let passed = 1; passed <= hours; passed++) {
    await clock.run(begin + passed * hour)
    const cluster = instances.find(({ isServing }) => isServing)?.cluster
    if (cluster === undefined) {
      problems.push(`nobody served at hour ${passed}`)
      continue
    }
    const size = measure(passed, bucket, cluster)
    sizes.push(size)
    onHour(size)
  }
  isOver = true
  return { sizes, problems, starts, crashes, deleted }
}
