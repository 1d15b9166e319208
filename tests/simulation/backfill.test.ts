import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BackfillFigures, type BackfillOptions, measureBackfill } from '../support/backfill-load.js'
import { VirtualClock } from './virtual-clock.js'

const MiB = 2 ** 20

async function measure(options: Omit<BackfillOptions, 'clock'>): Promise<BackfillFigures> {
  const clock = new VirtualClock()
  let found: BackfillFigures | undefined
  void measureBackfill({ ...options, clock }).then((figures) => {
    found = figures
  })
  await clock.run(600_000, () => found !== undefined)
  assert.ok(found, 'it came to an end')
  return found
}

test('consumers that read from far behind the tail hold up neither producers nor consumers at the tail', async () => {
  // Few connections and many small objects: whoever takes all of them would be felt.
  const load = { backlogBytes: 16 * MiB, entryBytes: 32 * 1024, connections: 32, ms: 1_500 }
  const alone = await measure({ ...load, backfills: 0 })
  const beside = await measure({ ...load, backfills: 20 })
  assert.ok(beside.backfillBytesPerSecond > 10e6, `${beside.backfillBytesPerSecond} bytes/s are read`)
  for (const of of ['produce', 'tailHere', 'tailElsewhere'] as const) {
    assert.ok(beside[of].p50 < alone[of].p50 * 1.1 + 5, `${of}: p50 ${beside[of].p50} ms, alone ${alone[of].p50} ms`)
    assert.ok(beside[of].p99 < alone[of].p99 * 1.3 + 5, `${of}: p99 ${beside[of].p99} ms, alone ${alone[of].p99} ms`)
  }
})

test('what consumers far behind the tail hold is bounded by the caches, not by their number', async () => {
  const cacheBytes = 16 * MiB
  const load = { backlogBytes: 48 * MiB, entryBytes: 4 * MiB, ms: 500, cacheBytes }
  const few = await measure({ ...load, backfills: 4 })
  const many = await measure({ ...load, backfills: 20 })
  // Two instances, each with what is read ahead, and a block that each of its readers waits for.
  assert.ok(few.heldBytesMax > 0)
  assert.ok(many.heldBytesMax < 2 * (cacheBytes / 2 + 10 * 4.5 * MiB), `${many.heldBytesMax / MiB} MiB`)
  assert.ok(many.getsPerSecond < few.getsPerSecond * 5, `${many.getsPerSecond} gets/s`)
})
