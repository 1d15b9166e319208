import { assert } from '../base/assert.js'
import type { Clock, Timer } from '../base/clock.js'
import { messageOf, UnavailableError } from '../base/errors.js'
import type { Log } from '../base/log.js'
import type { KeysToNote } from '../state/log/cleaning-steps.js'
import { type CleaningSession, type CleaningWork, inlineCleaning } from '../state/log/cleaning-work.js'
import type { StoredRanges } from '../state/log/range-bytes.js'
import { Thread } from './thread.js'

/** The thread ends when there was nothing to clean for so long, milliseconds. */
const idleMs = 60_000
/**
 * Most that its heap may take, MiB. Each record of a batch is some 300 bytes of objects while the batch is looked
 * through: of 64 MiB, the most that a batch may unpack to, there is room for records of 20 bytes.
 */
const heapMibMax = 1024

/** What an operator wants to know of the thread; `main` binds it to metrics. */
export interface CleaningWorkerObserver {
  started(): void
  /** It ended, told to or not. */
  ended(): void
  /** It could not be started; or it ended, and was not told to. */
  failed(when: 'start' | 'work'): void
}

export interface CleaningWorkerOptions {
  clock: Clock
  log: Log
  observer: CleaningWorkerObserver
  /** In the place of its own program. */
  program?: URL
  idleMs?: number
  heapMibMax?: number
}

/**
 * Cleans on a worker thread: one in all, which is started when there is first something to clean, and ends when there
 * was nothing for a while. Where none can be started, the work is done on the event loop.
 */
export class CleaningWorker implements CleaningWork {
  readonly #options: CleaningWorkerOptions
  readonly #inline: CleaningWork
  #thread: Thread | undefined
  #idle: Timer | undefined
  #hasSession = false
  #isClosed = false
  #hasComplained = false

  constructor(options: CleaningWorkerOptions) {
    this.#options = options
    this.#inline = inlineCleaning(options.clock)
  }

  /** @throws UnavailableError when it is closed; Error if the thread fails. */
  async begin(keys: KeysToNote, signal: AbortSignal): Promise<CleaningSession> {
    assert(!this.#hasSession, 'there is one cleaning at a time')
    this.#hasSession = true
    this.#idle?.cancel()
    try {
      const thread = await this.#running()
      if (thread !== undefined) {
        await thread.ask({ kind: 'begin', keys }, [], signal)
        return this.#sessionOn(thread, signal)
      }
      const session = await this.#inline.begin(keys, signal)
      return { ...session, end: () => this.#end() }
    } catch (error) {
      this.#end()
      throw error
    }
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#stop()
  }

  #sessionOn(thread: Thread, signal: AbortSignal): CleaningSession {
    return {
      async note(stored) {
        const { ranges, bytes, memory } = handedOver(stored)
        const answer = await thread.ask({ kind: 'note', ranges, bytes }, [memory], signal)
        assert(answer.kind === 'noted', 'keys have been noted')
        return answer.full
      },
      async clean(stored, rules) {
        const { ranges, bytes, memory } = handedOver(stored)
        const answer = await thread.ask({ kind: 'clean', ranges, bytes, rules }, [memory], signal)
        assert(answer.kind === 'cleaned', 'batches have been cleaned')
        const { buffer, byteOffset, byteLength } = answer.cleaned.bytes
        return { ...answer.cleaned, bytes: Buffer.from(buffer, byteOffset, byteLength) }
      },
      end: () => {
        thread.tell({ kind: 'end' })
        this.#end()
      },
    }
  }

  #end(): void {
    this.#hasSession = false
    this.#idle = this.#options.clock.after(this.#options.idleMs ?? idleMs, () => void this.#stop())
  }

  async #stop(): Promise<void> {
    this.#idle?.cancel()
    const thread = this.#thread
    if (thread === undefined) return
    this.#over()
    await thread.end(new UnavailableError('this instance is shutting down'))
  }

  #over(): void {
    if (this.#thread === undefined) return
    this.#thread = undefined
    this.#options.observer.ended()
  }

  /** The thread; undefined if there can be none. */
  async #running(): Promise<Thread | undefined> {
    const { log, observer, program, heapMibMax: mib = heapMibMax } = this.#options
    if (this.#isClosed) throw new UnavailableError('this instance is shutting down')
    // One that was told to stop in the midst of a cleaning may have been left.
    if (this.#thread?.isOver === true) this.#over()
    if (this.#thread !== undefined) return this.#thread
    let thread: Thread
    try {
      thread = await Thread.start({
        program: program ?? new URL('../workers/cleaning-thread.js', import.meta.url),
        name: 'cleaning',
        heapMibMax: mib,
        onFailed: (error) => {
          observer.failed('work')
          log.error({ error: messageOf(error) }, 'the thread that cleans ended; the next cleaning starts another')
          this.#over()
        },
      })
    } catch (error) {
      observer.failed('start')
      const what = 'no thread can be started to clean compacted topics; it is done on the event loop'
      if (!this.#hasComplained) log.warn({ error: messageOf(error) }, what)
      this.#hasComplained = true
      return undefined
    }
    observer.started()
    this.#thread = thread
    if (!this.#isClosed) return thread
    await this.#stop()
    throw new UnavailableError('this instance is shutting down')
  }
}

/**
 * What goes over to the thread with all of its memory; a copy if that is part of something larger, in which others may
 * have theirs.
 */
function handedOver({ ranges, bytes }: StoredRanges) {
  const own = bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer
  const moved = own ? bytes : new Uint8Array(bytes)
  return { ranges, bytes: moved, memory: moved.buffer as ArrayBuffer }
}
