import type { Random } from '../../src/base/random.js'
import { decodeEntry } from '../../src/state/ledger/entry.js'
import { entryKey } from '../../src/state/ledger/keys.js'
import type { Archive } from './archive.js'
import type { SimulatedInstance } from './instance.js'
import type { PauseKind } from './process.js'
import type { VirtualClock } from './virtual-clock.js'

export interface DisturbanceOptions {
  /** Chance of each per instance and virtual second. */
  crashes: number
  pauses: number
  closes: number
  /** Of being cut off from the store for some seconds. */
  cutOffs: number
  cutOffMsMax: number
  pauseMsMax: number
  /** Once, somebody pauses for so long, and its clocks are not to be trusted after it. */
  longPauseMs: [min: number, max: number] | undefined
  /** Nobody lives for longer, also when all else is quiet. */
  lifeMsMax: number | undefined
  /** Every few seconds an old entry comes to stand at the ledger's end once more, with all its parts. */
  hasGhosts: boolean
  /** Every few seconds the writer of the last entry crashes, or sleeps. */
  killsSequencers: boolean
}

interface Disturbed {
  options: DisturbanceOptions & { ms: number }
  clock: VirtualClock
  random: Random
  bucket: Archive
  /** The instances that are there now, by their slots. */
  slots: readonly SimulatedInstance[]
  areOn(): boolean
  /** Nothing more is to happen. */
  isOver(): boolean
  /** Called now and then for each instance that lives. */
  look(instance: SimulatedInstance): void
}

/** What befalls instances: they crash, close, pause, sleep, and are cut off from the store. */
export class Disturbances {
  readonly #disturbed: Disturbed
  readonly #cutOffUntilMs = new Map<number, number>()

  constructor(disturbed: Disturbed) {
    this.#disturbed = disturbed
  }

  start(): void {
    this.#disturb()
    this.#pauseLong()
    if (this.#disturbed.options.killsSequencers) this.#killSequencer()
    if (this.#disturbed.options.hasGhosts) this.#haunt()
  }

  /** An instance has begun its life, which may be short. */
  begun(instance: SimulatedInstance): void {
    const { options, clock, random, isOver } = this.#disturbed
    const { lifeMsMax } = options
    if (lifeMsMax === undefined) return
    const end = (crashes: boolean) => {
      if (isOver() || !instance.process.isAlive) return
      if (crashes || instance.process.isPaused || !instance.isServing) instance.crash()
      else void instance.close()
    }
    const crashes = random.next() < 0.5
    clock.after(lifeMsMax * (0.2 + 0.6 * random.next()), () => end(crashes))
    clock.after(lifeMsMax, () => end(true))
  }

  /** When somebody was, or will be, able to reach the store again. */
  cutOffUntilMs(slot: number): number {
    return this.#cutOffUntilMs.get(slot) ?? 0
  }

  /** Every second, perhaps crashes, closes, pauses or cuts off somebody. */
  #disturb(): void {
    const { options, clock, random, slots, areOn, look } = this.#disturbed
    const { crashes, pauses, closes, cutOffs, cutOffMsMax, pauseMsMax } = options
    clock.after(500 + random.next() * 1_000, () => {
      if (!areOn()) return
      slots.forEach((instance, slot) => {
        if (!instance.process.isAlive) return
        if (random.next() < pauses) instance.process.pause(random.next() * pauseMsMax)
        if (random.next() < cutOffs) this.#cutOffUntilMs.set(slot, clock.monotonic() + random.next() * cutOffMsMax)
        if (random.next() < crashes) instance.crash()
        else if (random.next() < closes && !instance.process.isPaused) void instance.close()
        look(instance)
      })
      this.#disturb()
    })
  }

  /** Somebody sleeps while the others go on, and the ledger is trimmed. */
  #pauseLong(): void {
    const { options, clock, random, slots } = this.#disturbed
    if (options.longPauseMs === undefined) return
    const [min, max] = options.longPauseMs
    const kinds: readonly PauseKind[] = ['stopped', 'asleep', 'set back']
    clock.after(random.next() * (options.ms - min) * 0.6, () => {
      const kind = kinds[Math.floor(random.next() * kinds.length)]
      slots[Math.floor(random.next() * slots.length)]?.process.pause(min + random.next() * (max - min), kind)
    })
  }

  /** What somebody had on the way who is long gone: nothing of it may count, also when its writer is forgotten. */
  #haunt(): void {
    const { clock, random, bucket, isOver } = this.#disturbed
    clock.after(1_000 + random.next() * 3_000, () => {
      if (isOver()) return
      const old = bucket.all.get(entryKey(0, 1 + Math.floor(random.next() * bucket.tailOf(0))))
      const key = entryKey(0, bucket.tailOf(0) + 1)
      if (old !== undefined && !bucket.all.has(key)) bucket.add(key, old)
      this.#haunt()
    })
  }

  #killSequencer(): void {
    const { clock, random, bucket, slots, areOn } = this.#disturbed
    clock.after(3_000 + random.next() * 4_000, () => {
      if (!areOn()) return
      const last = bucket.all.get(entryKey(0, bucket.tailOf(0)))
      const writer = last && decodeEntry(last, 'the last entry').writer
      const instance = slots.find(({ cluster }) => cluster?.proposer.writer === writer)
      if (random.next() < 0.7) instance?.crash()
      else instance?.process.pause(2_000 + random.next() * 3_000)
      this.#killSequencer()
    })
  }
}
