import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { InFlight } from './in-flight.js'

test('never more pieces, and never more bytes, are under way than allowed, and all are done', async () => {
  const inFlight = new InFlight(3, 100)
  let count = 0
  let bytes = 0
  let done = 0
  for (let i = 0; i < 50; i++) {
    const size = (i * 37) % 60
    await inFlight.add(size, async () => {
      count++
      bytes += size
      assert.ok(count <= 3 && bytes <= 100, `${count} pieces, ${bytes} bytes`)
      await sleep(i % 3)
      count--
      bytes -= size
      done++
    })
  }
  await inFlight.settled()
  assert.equal(done, 50)
})

test('a piece larger than all that is allowed is done alone', async () => {
  const inFlight = new InFlight(3, 100)
  let isDone = false
  await inFlight.add(10, async () => {
    await sleep(5)
    isDone = true
  })
  await inFlight.add(1_000, async () => assert.ok(isDone))
  await inFlight.settled()
})

test('the first failure is told to who adds more or waits for the end', async () => {
  const inFlight = new InFlight(2, 100)
  await inFlight.add(1, () => Promise.reject(new Error('first')))
  await assert.rejects(inFlight.settled(), /first/)
  await assert.rejects(
    inFlight.add(1, async () => assert.fail('started')),
    /first/,
  )
})
