import type { Clock } from '../../base/clock.js'
import { CorruptObjectError, messageOf, StoreError, UnavailableError } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Pins } from '../../base/pinned-memory.js'
import type { Random } from '../../base/random.js'
import type { AppendOutcome, BatchToAppend } from '../cluster.js'
import type { ObjectStore } from '../store/object-store.js'
import type { CommandKind, CommandOf, OutcomeOf } from '../views/commands.js'
import type { State } from '../views/state.js'
import type { BodyPlace, ObjectRef, StateEvents } from '../views/view.js'
import { type AppendRequest, appendProposal } from './append.js'
import { Barrier } from './barrier.js'
import { Committer, type CommitterSettings } from './committer.js'
import type { DecodedEntry, Part } from './entry.js'
import { EventHub } from './event-hub.js'
import { Fence, fenced, trimGraceDefaultMs } from './fence.js'
import { Fold } from './fold.js'
import { Follower } from './follower.js'
import { claimWriter } from './identity.js'
import { Lanes } from './lanes.js'
import type { LedgerObserver } from './observer.js'
import type { Proposer } from './proposer.js'
import { loadSnapshot, storeSnapshot } from './snapshot.js'
import { encodeSnapshot } from './snapshot-bytes.js'
import { Traffic } from './traffic.js'
import type { WaitingBytes } from './waiting-bytes.js'

export interface LedgerSettings extends CommitterSettings {
  /** Time between two looks for entries of others while there are such, milliseconds; ten times that otherwise. */
  pollIntervalMs: number
  /** Entries between two snapshots. */
  snapshotEntries: number
  /**
   * Entries are deleted so long after a snapshot covers them, milliseconds; one hour by default. The same on all instances.
   */
  trimGraceMs?: number
}

export interface LedgerOptions {
  /** Its number among the cluster's ledgers. */
  ledger: number
  store: ObjectStore
  /** The store for what nobody waits for: snapshots. */
  upkeepStore: ObjectStore
  clock: Clock
  random: Random
  log: Log
  observer: LedgerObserver
  settings: LedgerSettings
  waiting: WaitingBytes
  /** Who uses the memory of what is appended. */
  pins: Pins
  /** Takes record bytes that this instance has in memory anyway: just written, or read with an entry's head. */
  keepBytes(object: ObjectRef, position: number, pieces: readonly Buffer[]): void
  /** So many bytes of records in that object were ordered. */
  recordsOrdered?(object: ObjectRef, bytes: number): void
  /** The ledger can be neither followed nor written any more (corrupt, of a later format): the process must stop. */
  onFatal(error: Error): void
}

/** A barrier is tried again when the store fails, for so long, milliseconds. */
const barrierMs = 5_000
/** Proposals under way are waited for at shutdown, at most so long, milliseconds. */
const drainMs = 10_000
/** After a snapshot none is made for so many times as long as it took to encode: a large state must not cost all the CPU. */
const snapshotPause = 20
/** At shutdown a snapshot is written if a start would have to read more entries than this. */
const entriesWorthASnapshot = 200

/** One ordered log of commands in the store, and the state folded from it. */
export class Ledger implements Proposer {
  readonly writer: number
  /** Whether somebody waits for what others write: whoever knows replaces it. */
  isAwaited: () => boolean = () => true
  readonly #options: LedgerOptions
  readonly #fence: Fence
  readonly #fold: Fold
  readonly #follower: Follower
  readonly #committer: Committer
  readonly #lanes: Lanes
  readonly #traffic: Traffic
  readonly #barrier: Barrier
  readonly #events = new EventHub()
  #snapshotSequence: number
  #snapshotIsUnderWay: Promise<void> | undefined
  #snapshotNotBefore = Number.NEGATIVE_INFINITY
  #failure: Error | undefined

  /** Loads the newest snapshot and the entries after it, and claims a writer number. */
  static async open(options: LedgerOptions): Promise<Ledger> {
    const fence = new Fence(options.clock, options.settings.trimGraceMs ?? trimGraceDefaultMs)
    const { state, next } = await loadSnapshot(options.store, options.ledger, options.log)
    const store = fenced(options.store, fence)
    const writer = await claimWriter(store, options.ledger, options.random, state.writers.highest())
    const ledger = new Ledger(options, fence, state, next, writer)
    await ledger.#follower.confirmTail()
    ledger.#fold.events = ledger.#events
    ledger.#follower.start()
    options.log.info({ writer, snapshot: next - 1, entries: ledger.#fold.next - next }, 'ledger opened')
    return ledger
  }

  private constructor(options: LedgerOptions, fence: Fence, state: State, next: number, writer: number) {
    const { clock, random, log, observer, settings, ledger: number, waiting, pins } = options
    const store = fenced(options.store, fence)
    this.#options = options
    this.#fence = fence
    this.writer = writer
    this.#snapshotSequence = next - 1
    const fold = new Fold(state, next, { listener: this, observer, writer })
    this.#fold = fold
    const onFatal = (error: unknown) => this.#fatal(error)
    this.#follower = new Follower({
      store,
      fence,
      fold,
      clock,
      log,
      ledger: number,
      pollIntervalMs: settings.pollIntervalMs,
      isPutting: (sequence) => this.#committer.isPutting(sequence),
      isAwaited: () => this.isAwaited(),
      isExpected: () => this.#committer.isInLane(),
      bodyRead: (sequence, position, body) => options.keepBytes({ writer: 0, number: sequence }, position, [body]),
      onFatal,
    })
    const traffic = new Traffic(clock, writer, () => clock.monotonic() - this.#follower.tailAgeMs())
    this.#traffic = traffic
    const lanes = new Lanes({
      store,
      clock,
      log,
      ledger: number,
      writer,
      state,
      isWanted: () => traffic.isBusySequencer(this.#committer.putMs),
      onFound: () => this.#committer.pumpSoon(),
      bodyRead: (part, body) =>
        options.keepBytes({ writer: part.writer, number: part.index }, part.lanePosition, [body]),
    })
    this.#lanes = lanes
    this.#committer = new Committer({
      ...settings,
      store,
      fence,
      fold,
      traffic,
      lanes,
      clock,
      random,
      log,
      observer,
      waiting,
      pins,
      ledger: number,
      writer,
      onConflict: () => this.#follower.wake(),
      onLeftInLane: () => this.#follower.expect(),
      onStored: (sequence, since) => {
        if (fold.next > sequence) this.#follower.confirmed(since)
      },
      onFatal,
    })
    this.#barrier = new Barrier(() => this.#confirm())
  }

  get state(): State {
    return this.#fold.state
  }

  /** Sequence number of the last applied entry. */
  get sequence(): number {
    return this.#fold.next - 1
  }

  propose<Kind extends CommandKind>(kind: Kind, command: CommandOf<Kind>): Promise<OutcomeOf<Kind>> {
    return new Promise((resolve, reject) => {
      this.#committer.propose({
        kind: 'command',
        name: kind,
        command,
        resolve: (outcome) => resolve(outcome as OutcomeOf<Kind>),
        reject,
      })
    })
  }

  /**
   * Proposes to append batches; one outcome for each, in their order. Their memory is pinned until they have it: if they
   * never do, they may still be on their way to the store.
   */
  append(batches: readonly BatchToAppend[]): Promise<AppendOutcome[]> {
    return new Promise((resolve, reject) => {
      const { pins, waiting } = this.#options
      const request: AppendRequest = { outcomes: new Array(batches.length), missing: batches.length, resolve, reject }
      if (batches.length === 0) resolve([])
      // All or none: if some were stored and the request refused, its client would send those again as well.
      waiting.assertRoomFor(lengthOf(batches))
      for (let slot = 0; slot < batches.length; slot++) {
        const batch = batches[slot] as BatchToAppend
        this.#committer.propose(appendProposal(batch, request, slot))
        pins.pin(batch.batch)
      }
    })
  }

  barrier(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return this.#barrier.pass()
  }

  tailAgeMs(): number {
    return this.#follower.tailAgeMs()
  }

  /** @throws UnavailableError if this instance can't answer any more: what it knows may be too old. */
  assertCurrent(): void {
    if (this.#failure !== undefined) throw this.#failure
    this.#fence.check()
  }

  /** How long puts have been failing, and why. */
  putFailure(): { forMs: number; reason: string } | undefined {
    return this.#committer.failure()
  }

  listen(listener: Partial<StateEvents>): () => void {
    return this.#events.add(listener)
  }

  /** A part took effect: who proposed its commands is answered, once the entry is applied, and its bytes are kept. */
  partApplied(part: Part, outcomes: unknown[], body: BodyPlace): void {
    this.#options.recordsOrdered?.(body, part.bodyLength)
    if (part.writer !== this.writer) return
    const pieces = this.#committer.bodyOf(part.index)
    if (pieces !== undefined && pieces.length > 0) this.#options.keepBytes(body, body.position, pieces)
    this.#committer.partApplied(part.index, outcomes)
  }

  entryApplied(sequence: number, entry: DecodedEntry, isEffective: boolean): void {
    if (isEffective) this.#traffic.applied(entry.writer)
    for (const part of entry.parts) this.#lanes.noteWriter(part.writer)
    if (isEffective && entry.writer === this.writer) this.#lanes.wake()
    if (this.state.writers.isRetired(entry.writer)) this.#traffic.retired(entry.writer)
    this.#committer.entryApplied(sequence, entry)
    if (this.state.writers.isForgotten(this.writer))
      this.#fatal(
        new UnavailableError('the others have heard nothing of this instance for so long that they forgot it'),
      )
    const { clock, settings } = this.#options
    const isDue = entry.writer === this.writer && sequence % settings.snapshotEntries === 0
    if (isDue && clock.monotonic() >= this.#snapshotNotBefore) this.#snapshot()
  }

  /** Lets what is under way take effect, then stops. */
  async close(): Promise<void> {
    if (this.#failure === undefined) {
      const goodBye = this.propose('retireWriter', {}).catch((error: unknown) =>
        this.#options.log.warn({ error: messageOf(error) }, 'the ledger could not be told that this instance ends'),
      )
      await this.#committer.close(drainMs)
      await goodBye
    }
    this.#lanes.close()
    await this.#follower.close()
    if (this.#failure === undefined && this.sequence - this.#snapshotSequence > entriesWorthASnapshot) this.#snapshot()
    await this.#snapshotIsUnderWay
  }

  async #confirm(): Promise<void> {
    const { clock } = this.#options
    const deadline = clock.monotonic() + barrierMs
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#follower.confirmTail()
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        const waitMs = Math.min(10 * 2 ** attempt, 500)
        if (!error.retry || clock.monotonic() + waitMs > deadline)
          throw new UnavailableError(`the ledger's tail cannot be confirmed: ${error.message}`, { cause: error })
        await clock.sleep(waitMs)
      }
    }
  }

  /** Stores the state as it is now, in the background; at most one at a time. */
  #snapshot(): void {
    if (this.#snapshotIsUnderWay !== undefined) return
    this.#snapshotIsUnderWay = this.#storeSnapshot(this.sequence)
      .catch((error: unknown) => this.#options.log.warn({ error: messageOf(error) }, 'a snapshot could not be stored'))
      .finally(() => {
        this.#snapshotIsUnderWay = undefined
      })
  }

  async #storeSnapshot(sequence: number): Promise<void> {
    const { upkeepStore, clock, observer, ledger } = this.#options
    const since = clock.monotonic()
    const { pieces, bytes, longestMs, totalMs } = await encodeSnapshot(this.state, sequence, clock)
    this.#snapshotNotBefore = since + totalMs * snapshotPause
    await storeSnapshot(upkeepStore, ledger, sequence, pieces)
    this.#snapshotSequence = sequence
    observer.snapshotStored(longestMs / 1_000, (clock.monotonic() - since) / 1_000, bytes)
  }

  #fatal(cause: unknown): void {
    if (this.#failure !== undefined) return
    const hint = cause instanceof CorruptObjectError ? ' (the store is damaged)' : ''
    this.#failure = new UnavailableError(`the ledger can't go on${hint}: ${messageOf(cause)}`, { cause })
    this.#committer.fail(this.#failure)
    this.#options.onFatal(this.#failure)
  }
}

function lengthOf(batches: readonly BatchToAppend[]): number {
  let length = 0
  for (const { batch } of batches) length += batch.length
  return length
}
