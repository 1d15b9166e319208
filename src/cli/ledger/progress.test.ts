import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { ManualClock } from '../../../tests/support/manual-clock.js'
import { progressOn, sizeText, spanText } from './progress.js'

test('progress is shown now and then, and only where somebody sees it', async () => {
  const clock = new ManualClock()
  const shown: string[] = []
  const signal = new AbortController().signal
  const terminal = { stdin: Readable.from([]), out: async () => {}, note() {}, environment: {}, signal, clock }
  const show = progressOn({ ...terminal, progress: (text) => shown.push(text) })
  for (let i = 0; i < 50; i++) {
    show(() => `${i}`)
    await clock.advance(10)
  }
  assert.deepEqual(shown, ['0', '20', '40'])
  progressOn(terminal)(() => assert.fail('nobody looks'))
})

test('sizes and spans are written for people', () => {
  assert.deepEqual([0, 1023, 1536, 5 * 2 ** 30].map(sizeText), ['0 B', '1023 B', '1.5 KiB', '5.0 GiB'])
  assert.deepEqual([900, 90_000, 3 * 60_000, 7_200_000, 9 * 86_400_000].map(spanText), [
    '0 s',
    '90 s',
    '3 min',
    '2 h',
    '9 d',
  ])
})
