import assert from 'node:assert/strict'
import { test } from 'node:test'
import { growthOf, svgOf, tableOf } from './report.js'
import type { Size } from './size.js'
import { live } from './week.js'

test('some hours of the week pass without a fault, with instances that end and others that take their place', async () => {
  const seen: number[] = []
  const week = await live({ hours: 4, seed: 5, onHour: ({ hour }) => seen.push(hour) })
  assert.deepEqual(week.problems, [])
  assert.deepEqual(seen, [1, 2, 3, 4])
  assert.ok(week.starts >= 5 && week.crashes >= 2, `${week.starts} starts, ${week.crashes} crashes`)
  const last = week.sizes.at(-1)
  assert.ok(last && last.entriesEver > 4_000 && last.objects.ledger < last.entriesEver, JSON.stringify(last))
  assert.ok((week.deleted.get('lane') ?? 0) > 100, 'parts went through the lanes, and were collected')
  assert.match(tableOf(week.sizes, 2), /^\| hour .*\n\|.*\n\| 2 \|.*\n\| 4 \|.*\n$/)
  assert.match(svgOf(week.sizes), /^<svg .*<polyline .*<\/svg>\n$/s)
})

test('what goes on growing is told from what stays as it is', () => {
  const size = (hour: number, entries: number): Size => ({
    hour,
    objects: { ledger: entries, lanes: 0, segments: 50, snapshots: 3, writers: 5 },
    bytes: { ledger: 0, lanes: 0, segments: 0, snapshots: 0, writers: 0 },
    entriesEver: hour * 1_000,
    snapshotBytes: 1_000,
    topics: 1,
    ranges: 10,
    producers: 1,
    groups: 1,
    offsets: 1,
    writers: 3,
    heapBytes: 0,
    rssBytes: 0,
  })
  const hours = Array.from({ length: 168 }, (_, i) => i + 1)
  assert.deepEqual(growthOf(hours.map((hour) => size(hour, 4_000 + (hour % 7) * 100))), [])
  assert.match(growthOf(hours.map((hour) => size(hour, 100 * hour))).join(), /entries grew from 3650.0 .* to 15650.0/)
})
