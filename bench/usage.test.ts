import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { traced } from './usage.js'

test('what a process used is told for each part of a run', async () => {
  const busyMs = 300
  const { result, trace } = await traced(process.pid, async () => {
    const start = Date.now()
    while (Date.now() - start < busyMs) Math.sqrt(2)
    const middle = Date.now()
    await sleep(700)
    return { start, middle, end: Date.now() }
  })
  const busy = trace.between(result.start, result.middle)
  const idle = trace.between(result.middle + 200, result.end)
  // Others may want the processor, too: less than all of it, but more than while asleep.
  assert.ok(busy.cpuSeconds > 0.02, `${busy.cpuSeconds} s busy`)
  assert.ok(busy.cpuSeconds > 2 * idle.cpuSeconds, `${busy.cpuSeconds} s busy, ${idle.cpuSeconds} s idle`)
  assert.ok(idle.rssMib > 10)
})
