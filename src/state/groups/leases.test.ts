import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../tests/support/manual-clock.js'
import { OrderedLedger } from '../../../tests/support/ordered-ledger.js'
import { silentLog } from '../../base/log.js'
import { seededRandom } from '../../base/random.js'
import type { Lease } from '../cluster.js'
import { leases } from './leases.js'
import { pipelineOffsets } from './pipeline-offsets.js'

const ttlMs = 10_000

function openBed() {
  const clock = new ManualClock()
  const ledger = new OrderedLedger(clock)
  const open = () => {
    const proposer = ledger.open()
    const random = seededRandom(proposer.writer)
    return {
      proposer,
      leases: leases({ proposer, clock, random, log: silentLog(), ttlMs }),
      offsets: pipelineOffsets({ proposer }),
    }
  }
  return { clock, ledger, open }
}

const never = new AbortController().signal

test('a lease has one holder, who keeps it as long as it can renew it', async () => {
  const { clock, ledger, open } = openBed()
  const [a, b] = [open(), open()]
  const lease = await a.leases.acquire('pipeline', never)
  let second: Lease | undefined
  const waiting = b.leases.acquire('pipeline', never).then((each) => (second = each))
  await clock.advance(20 * ttlMs)
  assert.equal(second, undefined)
  assert.equal(lease.signal.aborted, false)
  await lease.release()
  await clock.advance(0)
  assert.equal((await waiting).term, lease.term + 1)
  assert.equal(lease.signal.aborted, true)
  ledger.assertAgreement()
})

test('a holder that can not renew lets go before anybody else gets hold', async () => {
  const { clock, ledger, open } = openBed()
  const [a, b] = [open(), open()]
  const lease = await a.leases.acquire('pipeline', never)
  let lostAtMs = 0
  lease.signal.addEventListener('abort', () => {
    lostAtMs = clock.monotonic()
  })
  let takenAtMs = 0
  const waiting = b.leases.acquire('pipeline', never).then((each) => {
    takenAtMs = clock.monotonic()
    return each
  })
  await clock.advance(5 * ttlMs + 1234)
  a.proposer.cut()
  await clock.advance(3 * ttlMs)
  assert.equal((await waiting).term, lease.term + 1)
  assert.ok(lostAtMs > 0 && lostAtMs < takenAtMs, `lost at ${lostAtMs}, taken at ${takenAtMs}`)
  a.proposer.mend()
  ledger.assertAgreement()
})

test('an outage that all share takes a lease from nobody who renews in time after it', async () => {
  const { clock, open } = openBed()
  const [a, b] = [open(), open()]
  const lease = await a.leases.acquire('pipeline', never)
  let isTaken = false
  void b.leases.acquire('pipeline', never).then(() => {
    isTaken = true
  })
  await clock.advance(2000)
  for (const each of [a, b]) each.proposer.cut()
  await clock.advance(6000)
  for (const each of [b, a]) each.proposer.mend()
  await clock.advance(5 * ttlMs)
  assert.equal(isTaken, false)
  assert.equal(lease.signal.aborted, false)
})

test('waiting for a lease ends with its signal, and with the process', async () => {
  const { clock, open } = openBed()
  const [a, b] = [open(), open()]
  await a.leases.acquire('pipeline', never)
  const abort = new AbortController()
  const given = b.leases.acquire('pipeline', abort.signal)
  const closed = b.leases.acquire('pipeline', never)
  const outcomes = Promise.allSettled([given, closed])
  await clock.advance(1000)
  abort.abort(new Error('no longer wanted'))
  await clock.advance(0)
  await b.leases.close()
  await clock.advance(0)
  const [first, second] = await outcomes
  assert.match(String(first.status === 'rejected' && first.reason), /no longer wanted/)
  assert.match(String(second.status === 'rejected' && second.reason), /closing/)
})

test('a process that closes gives its leases back at once', async () => {
  const { clock, open } = openBed()
  const [a, b] = [open(), open()]
  const lease = await a.leases.acquire('pipeline', never)
  const waiting = b.leases.acquire('pipeline', never)
  await clock.advance(1000)
  await a.leases.close()
  await clock.advance(0)
  assert.equal((await waiting).term, lease.term + 1)
})

test('two tasks of one process hold a lease one after the other', async () => {
  const { clock, open } = openBed()
  const { leases: own } = open()
  const both = [own.acquire('pipeline', never), own.acquire('pipeline', never)]
  const first = await Promise.race(both)
  await clock.advance(3 * ttlMs)
  assert.equal(first.signal.aborted, false)
  await first.release()
  await clock.advance(ttlMs)
  const terms = (await Promise.all(both)).map((lease) => lease.term)
  assert.deepEqual(new Set(terms), new Set([1, 2]))
})

test('a pipeline commits under its lease, and no longer once somebody else has it', async () => {
  const { clock, ledger, open } = openBed()
  const [a, b] = [open(), open()]
  await a.proposer.propose('createTopic', { name: 'topic', id: '0'.repeat(32), partitionCount: 2, configs: [] })
  const lease = await a.leases.acquire('pipeline', never)
  assert.equal(await a.offsets.commit('pipeline', 'topic', new Map([[1, 7]]), lease), true)
  const committed = await b.offsets.committed('pipeline', 'topic', 1)
  assert.deepEqual(committed, { offset: 7, leaderEpoch: -1, metadata: '', committedAtMs: clock.now() })
  assert.equal(await b.offsets.committed('pipeline', 'topic', 0), undefined)
  await lease.release()
  assert.equal(await a.offsets.commit('pipeline', 'topic', new Map([[1, 8]]), lease), false)
  await clock.advance(0)
  const next = await b.leases.acquire('pipeline', never)
  assert.equal(await a.offsets.commit('pipeline', 'topic', new Map([[1, 8]]), lease), false)
  assert.equal(await b.offsets.commit('pipeline', 'topic', new Map([[1, 9]]), next), true)
  assert.equal((await a.offsets.committed('pipeline', 'topic', 1))?.offset, 9)
  await assert.rejects(a.offsets.commit('pipeline', 'unknown', new Map([[0, 1]])), /UNKNOWN_TOPIC_OR_PARTITION/)
  ledger.assertAgreement()
})
