import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../base/clock.js'
import { systemClock } from '../base/clock.js'
import type { Log } from '../base/log.js'
import { Complaints } from './complaints.js'

test('of each subject ten lines are written in ten seconds, and the next one tells how many were not', () => {
  let now = 0
  const lines: [object, string][] = []
  const log = { warn: (fields: object, subject: string) => lines.push([fields, subject]) } as unknown as Log
  const clock: Clock = { ...systemClock, monotonic: () => now }
  const complaints = new Complaints(log, clock)
  for (let i = 0; i < 25; i++) complaints.warn('bad', { i })
  complaints.warn('worse', {})
  assert.equal(lines.length, 11)
  now = 10_000
  complaints.warn('bad', { i: 25 })
  complaints.warn('bad', { i: 26 })
  assert.deepEqual(lines.slice(11), [
    [{ i: 25, suppressedLines: 15 }, 'bad'],
    [{ i: 26 }, 'bad'],
  ])
})
