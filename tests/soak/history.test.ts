import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Complaints } from './complaints.js'
import { type Cleanup, TopicHistory } from './history.js'

/** A topic of one partition with an idempotent producer `i` and a plain one `p`. */
function historyOf(cleanup: Cleanup = 'none') {
  const complaints = new Complaints()
  const history = new TopicHistory({ name: 'topic', partitions: 1, cleanup, keys: 2 }, complaints)
  history.addProducer('i', true)
  history.addProducer('p', false)
  return { history, complaints }
}

/** The log `texts` from an offset on, as the last reading gives it: by the reader, then for the comparison. */
function finish(history: TopicHistory, texts: string[], start = 0, offsets = texts.map((_, n) => start + n)) {
  const log = texts.map((text, n): [number, string] => [offsets[n] ?? 0, `${text}:`])
  for (const [offset, text] of log) history.read('last', 0, 0, offset, text)
  history.finish([start], [(offsets.at(-1) ?? -1) + 1], [log])
}

test('a log that holds what was promised is right, also with records of unknown outcome and a plain repetition', () => {
  const { history, complaints } = historyOf()
  for (const [sequence, offset] of [0, 2, 3].entries()) history.acknowledged('i', 0, sequence, offset)
  history.acknowledged('p', 0, 0, 4)
  history.acknowledged('i', 0, 5, -1)
  history.sent('i', 0, 6)
  history.sent('p', 0, 2)
  for (const [offset, text] of ['i.0.0:', 'p.0.0:', 'i.0.1:'].entries()) history.read('tail', 0, 0, offset, text)
  finish(history, ['i.0.0', 'p.0.0', 'i.0.1', 'i.0.2', 'p.0.0', 'i.0.4', 'i.0.5'])
  assert.deepEqual(complaints.lines(), [])
  assert.equal(history.repeatedCount, 1)
  assert.equal(history.acknowledgedCount, 5)
})

const acknowledgedThree = (history: TopicHistory) => {
  for (const sequence of [0, 1, 2]) history.acknowledged('i', 0, sequence, sequence)
  history.sent('i', 0, 3)
}

for (const [what, kind, texts, offsets] of [
  ['lost', 'lost', ['i.0.0', 'i.0.1']],
  ['lost in the middle', 'lost', ['i.0.0', 'i.0.2']],
  ['not dense', 'gap', ['i.0.0', 'i.0.1', 'i.0.2'], [0, 1, 3]],
  ['duplicated', 'duplicated', ['i.0.0', 'i.0.1', 'i.0.2', 'i.0.1']],
  ['reordered', 'reordered', ['i.0.1', 'i.0.0', 'i.0.2']],
  ['elsewhere than acknowledged', 'moved', ['i.0.0', 'p.0.0', 'i.0.1', 'i.0.2']],
  ['another than acknowledged', 'changed', ['i.0.0', 'p.0.0', 'i.0.2']],
  ['of nobody', 'invented', ['i.0.0', 'i.0.1', 'i.0.2', 'q.0.0']],
  ['of another partition', 'invented', ['i.0.0', 'i.0.1', 'i.0.2', 'i.1.3']],
  ['never sent', 'invented', ['i.0.0', 'i.0.1', 'i.0.2', 'i.0.3']],
  ['with a filler that is not its own', 'invented', ['i.0.0', 'i.0.1', 'i.0.2', 'i.0.3:xxy']],
] as const)
  test(`a record that is ${what} is found`, () => {
    const { history, complaints } = historyOf()
    acknowledgedThree(history)
    finish(history, [...texts], 0, offsets === undefined ? undefined : [...offsets])
    assert.ok(complaints.count(kind) > 0, `expected '${kind}' among ${complaints.lines().join('; ')}`)
  })

test('a record dropped from the acknowledgements or from the log alone makes the difference', () => {
  const texts = Array.from({ length: 100 }, (_, sequence) => `i.0.${sequence}`)
  for (const dropped of [undefined, 0, 50, 99]) {
    const { history, complaints } = historyOf()
    for (const sequence of texts.keys()) history.acknowledged('i', 0, sequence, sequence)
    finish(
      history,
      texts.filter((_, sequence) => sequence !== dropped),
      0,
      [...texts.keys()].filter((sequence) => sequence !== dropped),
    )
    assert.equal(complaints.count('lost') > 0, dropped !== undefined, complaints.lines().join('; '))
  }
})

test('a record acknowledged without an offset is missed, too', () => {
  const { history, complaints } = historyOf()
  history.acknowledged('i', 0, 0, -1)
  finish(history, ['p.0.0'])
  assert.match(complaints.lines().join(), /i's 0 was acknowledged .* is not there/)
})

test('a record that a reader was given and nobody else ever sees again is found', () => {
  const { history, complaints } = historyOf()
  history.read('tail', 0, 0, 0, 'p.0.0:')
  history.read('tail', 0, 0, 1, 'p.0.1:')
  finish(history, ['p.0.0'])
  assert.equal(complaints.count('lost'), 1)
})

test('two readers that are given different records at one offset are found', () => {
  const { history, complaints } = historyOf()
  history.read('tail', 0, 0, 0, 'p.0.0:')
  history.seen('member', 0, 0, 'p.0.1:')
  assert.equal(complaints.count('changed'), 1)
})

test('a reader that goes back, leaves out or begins late is found', () => {
  const { history, complaints } = historyOf()
  history.read('tail', 0, 0, 1, 'p.0.1:')
  assert.equal(complaints.count('gap'), 1)
  history.read('tail', 0, 0, 3, 'p.0.3:')
  assert.equal(complaints.count('gap'), 2)
  history.read('tail', 0, 0, 2, 'p.0.2:')
  assert.equal(complaints.count('not monotonic'), 1)
  history.read('tail', 1, 0, 0, 'p.0.0:')
  assert.equal(complaints.count('not monotonic'), 1, 'a new pass begins at the start again')
})

test('with retention the start may move, forward only, and what is before it may be missing', () => {
  const { history, complaints } = historyOf('retention')
  acknowledgedThree(history)
  history.read('again', 0, 0, 0, 'i.0.0:')
  history.read('again', 1, 0, 1, 'i.0.1:')
  finish(history, ['i.0.2'], 2)
  assert.deepEqual(complaints.lines(), [])
  // The reader was overtaken: the one in between went while it read.
  history.finish(
    [2],
    [3],
    [
      [
        [0, 'i.0.0:'],
        [2, 'i.0.2:'],
      ],
    ],
  )
  assert.deepEqual(complaints.lines(), [])
  history.read('again', 2, 0, 0, 'i.0.0:')
  assert.equal(complaints.count('log start'), 1)
  history.finish([1], [2], [[[1, 'i.0.1:']]])
  assert.equal(complaints.count('lost'), 2, 'seen and acknowledged, and gone from the end')
})

test('with compaction only a later record of the same key may take the place of one', () => {
  const { history, complaints } = historyOf('compaction')
  for (let sequence = 0; sequence < 5; sequence++) history.acknowledged('i', 0, sequence, sequence)
  finish(history, ['i.0.3', 'i.0.4'], 0, [3, 4])
  assert.deepEqual(complaints.lines(), [])
  history.finish([0], [5], [[[4, 'i.0.4:']]])
  assert.deepEqual(complaints.lines(), [
    "lost: topic 0: i's 3 was acknowledged at 3 and is not there",
    "lost: topic 0: i's 1 was acknowledged at 1 and is not there",
  ])
})
