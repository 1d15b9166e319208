import { parentPort } from 'node:worker_threads'
import { assert } from '../base/assert.js'
import { CorruptObjectError, messageOf } from '../base/errors.js'
import { CleaningSteps } from '../state/log/cleaning-steps.js'
import type { Answer, Question } from './messages.js'

/** The worker thread of `CleaningWorker`: does what it is asked, one question after the other. */

assert(parentPort !== null, 'this is the program of a worker thread')
const port = parentPort
let steps: CleaningSteps | undefined

port.on('message', (question: Question) => {
  if (question.kind === 'end') {
    steps = undefined
    return
  }
  try {
    const answer = answerTo(question)
    port.postMessage(answer, answer.kind === 'cleaned' ? memoryOf(answer.cleaned) : [])
  } catch (error) {
    const isCorrupt = error instanceof CorruptObjectError
    const message = isCorrupt || !(error instanceof Error) ? messageOf(error) : `${error.stack}`
    port.postMessage({ kind: 'failed', message, isCorrupt } satisfies Answer)
  }
})
port.postMessage({ kind: 'ready' } satisfies Answer)

function answerTo(question: Exclude<Question, { kind: 'end' }>): Answer {
  if (question.kind === 'begin') {
    steps = new CleaningSteps(question.keys)
    return { kind: 'begun' }
  }
  assert(steps !== undefined, 'a cleaning has begun')
  const { buffer, byteOffset, byteLength } = question.bytes
  const stored = { ranges: question.ranges, bytes: Buffer.from(buffer, byteOffset, byteLength) }
  return question.kind === 'note'
    ? { kind: 'noted', full: outcomeOf(steps.note(stored)) }
    : { kind: 'cleaned', cleaned: outcomeOf(steps.clean(stored, question.rules)) }
}

/** Nobody else waits here. */
function outcomeOf<Result>(steps: Generator<number, Result, undefined>): Result {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Goes back without being copied: all of it is of this cleaning. */
function memoryOf({ bytes, places }: { bytes: Uint8Array; places: Float64Array }): ArrayBuffer[] {
  return [bytes.buffer as ArrayBuffer, places.buffer as ArrayBuffer]
}
