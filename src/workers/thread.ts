import type { Worker } from 'node:worker_threads'
import { assert } from '../base/assert.js'
import { CorruptObjectError, messageOf } from '../base/errors.js'
import type { Answer, Question } from './messages.js'

export interface ThreadOptions {
  /** Its file. */
  program: URL
  /** Shown by debuggers and the system's tools. */
  name: string
  /** The most that its heap may take, MiB; with more it ends. Buffers don't count. */
  heapMibMax: number
  /** It ended, and was not told to. */
  onFailed(error: Error): void
}

interface Asked {
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** A worker thread that is asked one question at a time. */
export class Thread {
  readonly #worker: Worker
  #asked: Asked | undefined
  #isStarted = false
  #isOver = false

  /** @throws Error if it can't be started. */
  static async start(options: ThreadOptions): Promise<Thread> {
    // Most processes never need one.
    const { Worker } = await import('node:worker_threads')
    const { program, name, heapMibMax } = options
    // Of what this process was started with it needs nothing.
    const resourceLimits = { maxOldGenerationSizeMb: heapMibMax }
    const worker = new Worker(program, { name, env: {}, execArgv: [], resourceLimits })
    const thread = new Thread(worker, options)
    await new Promise<Answer>((resolve, reject) => {
      thread.#asked = { resolve, reject }
    })
    thread.#isStarted = true
    return thread
  }

  private constructor(worker: Worker, { onFailed }: ThreadOptions) {
    this.#worker = worker
    let cause: unknown
    const fail = (error: Error) => {
      if (this.#isOver) return
      this.#over(error)
      if (this.#isStarted) onFailed(error)
    }
    worker.on('message', (answer: Answer) => this.#take()?.resolve(answer))
    worker.on('messageerror', (error) => {
      fail(new Error(`what the worker thread said can't be read: ${messageOf(error)}`, { cause: error }))
      void worker.terminate()
    })
    worker.on('error', (error) => {
      cause = error
    })
    worker.on('exit', (code) => {
      const why = cause === undefined ? `exit code ${code}` : messageOf(cause)
      fail(new Error(`the worker thread ended: ${why}`, { cause }))
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Asks it something, and hands over that memory.
   * @param signal ends the thread, and so its work; the question rejects with the signal's reason.
   * @throws CorruptObjectError if it finds the records damaged; Error if it fails otherwise, or ends.
   */
  async ask(question: Question, memory: readonly ArrayBuffer[], signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted()
    assert(this.#asked === undefined, 'a thread is asked one thing at a time')
    const abandon = () => void this.end(signal.reason)
    signal.addEventListener('abort', abandon)
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        if (this.#isOver) throw new Error('the worker thread has ended')
        this.#worker.postMessage(question, memory)
        this.#worker.ref()
        this.#asked = { resolve, reject }
      })
      if (answer.kind !== 'failed') return answer
      throw answer.isCorrupt ? new CorruptObjectError(answer.message) : new Error(answer.message)
    } finally {
      signal.removeEventListener('abort', abandon)
    }
  }

  /** Says something that has no answer. */
  tell(question: Question): void {
    if (!this.#isOver) this.#worker.postMessage(question)
  }

  /** Ends it at once; a question that is under way rejects with that reason. */
  async end(reason: unknown): Promise<void> {
    this.#over(reason)
    await this.#worker.terminate()
  }

  #over(reason: unknown): void {
    this.#isOver = true
    this.#take()?.reject(reason)
  }

  /** Who waits for an answer. While nobody does, the thread keeps no process alive. */
  #take(): Asked | undefined {
    this.#worker.unref()
    const asked = this.#asked
    this.#asked = undefined
    return asked
  }
}
