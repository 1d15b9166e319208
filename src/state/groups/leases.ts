import { setMaxListeners } from 'node:events'
import type { Clock, Timer } from '../../base/clock.js'
import { messageOf, UnavailableError } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import type { Lease, Leases } from '../cluster.js'
import type { Proposer } from '../ledger/proposer.js'

/** How long a lease lives without being renewed: so long after a crash somebody else takes over. */
const defaultTtlMs = 15_000

export interface LeaseOptions {
  proposer: Proposer
  clock: Clock
  random: Random
  log: Log
  ttlMs?: number
}

/** The leases of this process; `close` gives them back. */
export function leases(options: LeaseOptions): Leases & { close(): Promise<void> } {
  return new HeldLeases(options)
}

/** A lease that this process holds. */
interface Held {
  name: string
  term: number
  abort: AbortController
  /** Monotonic time at which we stop believing in it unless it is renewed. */
  validUntilMs: number
}

/** How long to wait before another attempt when the ledger can't be reached. */
const retryMs = 1000

/**
 * Leases on the ledger. A holder renews its leases every third of their `ttlMs` and believes in each for nine tenths
 * of it, from before the renewal was proposed; anybody else has to see a whole `ttlMs` go by without a renewal,
 * from when it saw the last, before it may take the lease. So holders let go before others can get hold, without any
 * clock being compared; and a commit that names its lease's term is refused from the moment somebody else has it.
 */
class HeldLeases implements Leases {
  readonly #proposer: Proposer
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #ttlMs: number
  readonly #held = new Map<string, Held>()
  /** Names of which a proposal of ours is under way. */
  readonly #acquiring = new Set<string>()
  readonly #closing = new AbortController()
  #renewTimer: Timer | undefined
  #expiryTimer: Timer | undefined
  #isRenewing: boolean = false

  constructor(options: LeaseOptions) {
    this.#proposer = options.proposer
    this.#clock = options.clock
    this.#random = options.random
    this.#log = options.log
    this.#ttlMs = options.ttlMs ?? defaultTtlMs
    // As many wait as there are pipelines.
    setMaxListeners(0, this.#closing.signal)
  }

  /** @throws UnavailableError when this process is closing; the signal's reason when it is aborted first. */
  async acquire(name: string, signal: AbortSignal): Promise<Lease> {
    for (;;) {
      const seenPosition = await this.#untilFree(name, signal)
      if (this.#acquiring.has(name)) {
        await this.#clock.sleep(this.#ttlMs / 10, signal)
        continue
      }
      this.#acquiring.add(name)
      const askedAtMs = this.#clock.monotonic()
      try {
        const { term } = await this.#proposer.propose('acquireLease', { name, ttlMs: this.#ttlMs, seenPosition })
        if (term > 0) {
          const lease = this.#hold(name, term, askedAtMs)
          // Learnt so late, after a pause perhaps, that others may have taken it meanwhile.
          const isOver = this.#validUntilMs(askedAtMs) <= this.#clock.monotonic()
          if (!isOver && !signal.aborted && !this.#closing.signal.aborted) return lease
          await lease.release()
        }
      } catch (error) {
        // Should it have succeeded, the state will say that we hold it, and we take it over from ourselves.
        if (!(error instanceof UnavailableError)) throw error
        await this.#clock.sleep(retryMs, signal)
      } finally {
        this.#acquiring.delete(name)
      }
    }
  }

  /** Gives everything back, so that others need not wait. To be called when what ran under the leases has stopped. */
  async close(): Promise<void> {
    this.#closing.abort(new UnavailableError('closing'))
    await Promise.all([...this.#held.values()].map((held) => this.#release(held)))
  }

  /**
   * Waits until the lease is free (null), or has not been renewed for its time to live (the position of the last
   * renewal).
   */
  async #untilFree(name: string, signal: AbortSignal): Promise<number | null> {
    let seenPosition: number | undefined
    let seenAtMs = 0
    let lookedAtMs = this.#clock.monotonic()
    // Of several that wait, one is the first.
    const patience = 1 + this.#random.next() / 10
    for (;;) {
      signal.throwIfAborted()
      this.#closing.signal.throwIfAborted()
      const lease = this.#proposer.state.leases.byName(name)
      if (lease === undefined || lease.holder === null) return null
      // Ours, though we do not know it: the answer to our proposal was lost, and nothing runs under it.
      const isLost = lease.holder === this.#proposer.writer && !this.#held.has(name) && !this.#acquiring.has(name)
      if (isLost) return lease.renewedAt
      const nowMs = this.#clock.monotonic()
      const isGap = Math.max(nowMs - lookedAtMs, this.#proposer.tailAgeMs()) > lease.ttlMs / 2
      lookedAtMs = nowMs
      if (lease.renewedAt !== seenPosition || isGap) {
        seenPosition = lease.renewedAt
        seenAtMs = nowMs
      }
      if (nowMs - seenAtMs >= lease.ttlMs * patience && (await this.#isConfirmed())) {
        if (this.#proposer.state.leases.byName(name)?.renewedAt === seenPosition) return seenPosition
        continue
      }
      if (this.#proposer.tailAgeMs() > lease.ttlMs / 6) await this.#isConfirmed()
      await this.#waitForChange(
        name,
        Math.max(Math.min(lease.ttlMs / 6, seenAtMs + lease.ttlMs * patience - nowMs), 1),
        signal,
      )
    }
  }

  async #isConfirmed(): Promise<boolean> {
    try {
      await this.#proposer.barrier()
      return true
    } catch (error) {
      if (error instanceof UnavailableError) return false
      throw error
    }
  }

  /** Sleeps, but not longer than until the lease has another holder or none. */
  async #waitForChange(name: string, ms: number, signal: AbortSignal): Promise<void> {
    const wake = new AbortController()
    const stop = (): void => wake.abort()
    const stopListening = this.#proposer.listen({
      leaseChanged: (each) => {
        if (each === name) stop()
      },
    })
    const ends = [signal, this.#closing.signal]
    for (const end of ends) end.addEventListener('abort', stop)
    try {
      await this.#clock.sleep(ms, wake.signal)
    } finally {
      stopListening()
      for (const end of ends) end.removeEventListener('abort', stop)
    }
  }

  #hold(name: string, term: number, askedAtMs: number): Lease {
    const abort = new AbortController()
    const held: Held = { name, term, abort, validUntilMs: this.#validUntilMs(askedAtMs) }
    this.#held.set(name, held)
    this.#scheduleRenewal(this.#ttlMs / 3)
    this.#scheduleExpiry()
    return { name, term, signal: abort.signal, release: () => this.#release(held) }
  }

  #validUntilMs(renewedAtMs: number): number {
    return renewedAtMs + this.#ttlMs * 0.9
  }

  #scheduleRenewal(delayMs: number): void {
    if (this.#renewTimer !== undefined || this.#isRenewing || this.#held.size === 0) return
    this.#renewTimer = this.#clock.after(delayMs, () => {
      this.#renewTimer = undefined
      void this.#renew()
    })
  }

  async #renew(): Promise<void> {
    this.#isRenewing = true
    const askedAtMs = this.#clock.monotonic()
    const leases = [...this.#held.values()]
    let nextMs = this.#ttlMs / 3
    try {
      const { isRenewed } = await this.#proposer.propose('renewLeases', {
        leases: leases.map(({ name, term }): [string, number] => [name, term]),
      })
      leases.forEach((held, i) => {
        if (isRenewed[i]) held.validUntilMs = this.#validUntilMs(askedAtMs)
        else this.#lose(held, 'somebody else has taken it')
      })
      this.#scheduleExpiry()
    } catch (error) {
      // They run out by themselves if this goes on.
      this.#log.warn({ error: messageOf(error) }, 'leases could not be renewed')
      nextMs = Math.min(retryMs, nextMs)
    } finally {
      this.#isRenewing = false
      this.#scheduleRenewal(nextMs)
    }
  }

  #scheduleExpiry(): void {
    this.#expiryTimer?.cancel()
    if (this.#held.size === 0) return
    const nextMs = Math.min(...[...this.#held.values()].map((held) => held.validUntilMs))
    this.#expiryTimer = this.#clock.after(Math.max(Math.ceil(nextMs - this.#clock.monotonic()), 0), () => {
      const nowMs = this.#clock.monotonic()
      for (const held of [...this.#held.values()])
        if (held.validUntilMs <= nowMs) this.#lose(held, 'it could not be renewed in time')
      this.#scheduleExpiry()
    })
  }

  #lose(held: Held, reason: string): void {
    if (this.#held.get(held.name) !== held) return
    this.#held.delete(held.name)
    this.#log.warn({ lease: held.name, term: held.term, reason }, 'lease lost')
    held.abort.abort(new UnavailableError(`lease ${held.name} lost: ${reason}`))
  }

  async #release(held: Held): Promise<void> {
    const { name, term } = held
    if (this.#held.get(name) !== held) return
    this.#held.delete(name)
    held.abort.abort(new UnavailableError(`lease ${name} released`))
    try {
      await this.#proposer.propose('releaseLease', { name, term })
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      this.#log.warn({ lease: name }, 'lease could not be given back: it will run out')
    }
  }
}
