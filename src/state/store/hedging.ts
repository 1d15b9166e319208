import type { Clock, Timer } from '../../base/clock.js'
import type { ObjectStore, PutOutcome, StoredObject } from './object-store.js'

/** Who wants to know of second attempts; `main` binds it to metrics. */
export interface HedgeObserver {
  /** A second attempt was made, and is settled: `isFirst` if it was the one that answered first. */
  hedged(operation: 'put' | 'get', isFirst: boolean): void
}

export const noHedgeObserver: HedgeObserver = { hedged() {} }

/** A request is made again once it takes longer than this share of its like did lately, and than so many medians. */
const usualShare = 0.95
const mediansMin = 1.5
/** Nothing is made again sooner, milliseconds. */
const hedgeMsMin = 10
/** So many requests of a kind say what is usual; fewer than the lesser number say nothing. */
const samplesMax = 128
const samplesMin = 32
/** What is usual is looked at anew after so many. */
const samplesBetween = 8
/** Second attempts for each request, at most, and how many may be made in a row. */
const budgetShare = 0.08
const budgetMax = 4
/** Requests of more bytes take what the line gives, not what the store does: a second attempt would slow the first. */
const hedgedBytesMax = 8 * 1024 * 1024
/**
 * It is overdue after so long, milliseconds, or so many times what is unusually long, if that is more: then it is made again, and
 * once more after twice that time, and so on.
 */
const overdueMsMin = 1_000
const overdueUsuals = 4
/** After this share of that time it is believed that the object exists, if the first attempt does not say that it made it. */
const deferredShare = 0.5
/** Requests are alike if they are of one operation, and their sizes on the same side of these, bytes. */
const sizes = [128 * 1024, 1024 * 1024]

/**
 * The store, with a put or a get that takes unusually long made a second time while the first is under way; the first
 * answer counts. One slow request in a hundred is what a store with a long tail is known for, and the second is
 * seldom slow too. For a put it is harmless because both attempts create the same object with the same bytes: one of them finds
 * it there. So `exists` may be our own success, as it may after an attempt of unknown outcome; who puts here must be able
 * to tell, or not to care. All attempts fail before it fails.
 *
 * What takes so long that it will hardly ever be answered is made again whatever the budget says, and whether or not it is known
 * yet what is usual: all may be waiting for it, and then no request comes that would add to the budget.
 */
export function hedging(store: ObjectStore, clock: Clock, observer: HedgeObserver): ObjectStore {
  const puts = new Hedge('put', clock, observer)
  const gets = new Hedge('get', clock, observer)
  return {
    ...store,
    putIfAbsent(key, body): Promise<PutOutcome> {
      const bytes = body.reduce((sum, piece) => sum + piece.length, 0)
      return puts.request(bytes, () => store.putIfAbsent(key, body))
    },
    get(key, range, allocate): Promise<StoredObject | undefined> {
      // How much a whole object is is not known beforehand: it may be a snapshot.
      const bytes = range?.length ?? Number.POSITIVE_INFINITY
      return gets.request(bytes, () => store.get(key, range, allocate))
    },
  }
}

/** Second attempts of one operation, and what they may cost. */
class Hedge {
  readonly #operation: 'put' | 'get'
  readonly #clock: Clock
  readonly #observer: HedgeObserver
  readonly #usual = [...sizes, Number.POSITIVE_INFINITY].map(() => new UsualTime())
  #budget = 0

  constructor(operation: 'put' | 'get', clock: Clock, observer: HedgeObserver) {
    this.#operation = operation
    this.#clock = clock
    this.#observer = observer
  }

  request<Result>(bytes: number, make: () => Promise<Result>): Promise<Result> {
    if (bytes > hedgedBytesMax) return make()
    this.#budget = Math.min(this.#budget + budgetShare, budgetMax)
    const size = sizes.findIndex((most) => bytes <= most)
    const usual = this.#usual.at(size) as UsualTime
    const since = this.#clock.monotonic()
    const first = make().then((result) => {
      usual.add(this.#clock.monotonic() - since)
      return result
    })
    // What is large takes its time on a slow line, until it is known that it does not.
    if (usual.ms === undefined && size < 0) return first
    return this.#withMore(first, make, usual.ms === undefined ? undefined : Math.max(usual.ms, hedgeMsMin))
  }

  #withMore<Result>(first: Promise<Result>, make: () => Promise<Result>, usualMs: number | undefined): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      let isAnswered = false
      let underWay = 1
      const timers: Timer[] = []
      const after = (ms: number, task: () => void) => timers.push(this.#clock.after(ms, task))
      const settle = () => {
        isAnswered = true
        for (const timer of timers) timer.cancel()
      }
      const answer = (result: Result) => {
        settle()
        resolve(result)
      }
      const fail = (error: unknown) => {
        underWay--
        if (underWay > 0) return
        settle()
        reject(error)
      }
      const again = () => {
        underWay++
        make().then(
          (result) => {
            this.#observer.hedged(this.#operation, !isAnswered)
            // An earlier attempt created it, most likely, and is about to say so.
            if (result === 'exists' && !isAnswered)
              after((usualMs ?? overdueMsMin) * deferredShare, () => answer(result))
            else answer(result)
          },
          (error: unknown) => {
            this.#observer.hedged(this.#operation, false)
            fail(error)
          },
        )
      }
      if (usualMs !== undefined)
        after(usualMs, () => {
          if (this.#budget < 1) return
          this.#budget--
          again()
        })
      const whenOverdue = (ms: number) =>
        after(ms, () => {
          again()
          whenOverdue(2 * ms)
        })
      whenOverdue(Math.max(overdueMsMin, overdueUsuals * (usualMs ?? 0)))
      first.then(answer, fail)
    })
  }
}

/** How long the requests of a kind took lately. */
class UsualTime {
  /** Who takes longer takes unusually long, milliseconds; undefined while there are too few to say. */
  ms: number | undefined
  readonly #samples: number[] = []
  #next = 0
  #count = 0

  add(ms: number): void {
    this.#samples[this.#next] = ms
    this.#next = (this.#next + 1) % samplesMax
    this.#count++
    if (this.#count < samplesMin || this.#count % samplesBetween !== 0) return
    const sorted = [...this.#samples].sort((a, b) => a - b)
    const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0
    this.ms = Math.max(at(usualShare), at(0.5) * mediansMin)
  }
}
