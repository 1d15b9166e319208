import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoredCluster } from '../../../tests/support/stored-cluster.js'
import { kindOfKey } from '../ledger/keys.js'
import { MemoryBucket } from '../store/memory.js'
import { type Verification, verifyCluster } from './verify.js'

const ledgers = 3
const made = new StoredCluster(new MemoryBucket(), 0, ledgers)
const filled = await made.fill()

/** Verifies the cluster with something done to it. */
async function verified(change: (bucket: MemoryBucket) => void = () => {}, isQuick = false): Promise<Verification> {
  const bucket = new MemoryBucket()
  for (const [key, object] of made.bucket.objects) bucket.add(key, Buffer.from(object))
  change(bucket)
  const world = new StoredCluster(bucket, 0, ledgers)
  const { signal } = new AbortController()
  const found = await world.await(verifyCluster({ store: world.store, clock: world.clock, isQuick, signal }))
  assert.ok(found)
  return found
}

test('several ledgers are all looked at, and each object once', async () => {
  const found = await verified()
  assert.deepEqual(found.damages, [])
  assert.equal(found.ledgers.length, ledgers)
  for (const { entries, lastSequence } of found.ledgers) assert.ok(entries > 10 && lastSequence > 30)
  assert.equal(found.objects.objects, made.bucket.objects.size)
  assert.deepEqual(found.logs, {
    topics: 1,
    partitions: filled.values.length,
    records: filled.values.flat().length,
    bytes: found.recordBytes,
  })
  // What was merged since the last snapshot, and goes.
  assert.ok(found.orphans.every(({ isCollected }) => isCollected))
  assert.deepEqual(await verified(undefined, true), found)
})

test('damage is found in every ledger', async () => {
  for (const kind of ['snapshot', 'segment', 'writer'] as const)
    for (let ledger = 0; ledger < ledgers; ledger++) {
      const keys = made.bucket.sortedKeys().filter((key) => {
        const found = kindOfKey(key, ledgers)
        return found?.kind === kind && found.ledger === ledger
      })
      const damaged: string[] = []
      // Of the segments some are not needed any more.
      for (const key of keys.slice(-8)) {
        const { damages, isSound } = await verified((bucket) => {
          const bytes = Buffer.from(bucket.objects.get(key) as Buffer)
          bucket.remove(key)
          if (kind === 'snapshot') bucket.add(key, bytes.fill(0, 100, 101))
        })
        if (!isSound) damaged.push(key)
        for (const damage of damages) assert.equal(damage.key, key)
      }
      assert.ok(damaged.length > 0, `no ${kind} of ledger ${ledger}`)
    }
})

test('what is of no ledger of the cluster is an orphan', async () => {
  const stranger = `ledger/${ledgers}/00000000000000000001`
  const { orphans, isSound } = await verified((bucket) => bucket.add(stranger, Buffer.from('?')))
  assert.ok(isSound)
  assert.deepEqual(
    orphans.filter(({ isCollected }) => !isCollected).map(({ key, why }) => [key, why]),
    [[stranger, 'no object of Heraclitus']],
  )
})

test('ledgers that hold topics of which the home ledger knows nothing contradict it', async () => {
  const { damages } = await verified((bucket) => {
    for (const key of bucket.sortedKeys()) if (/^(ledger|snapshots)\/0\//.test(key)) bucket.remove(key)
  })
  const messages = damages.filter(({ problem }) => problem === 'contradiction').map(({ message }) => message)
  for (let ledger = 1; ledger < ledgers; ledger++)
    assert.ok(
      messages.some((message) => message.startsWith(`ledger ${ledger} holds version`)),
      `${messages}`,
    )
})
