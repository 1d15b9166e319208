import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { ManualClock } from '../../tests/support/manual-clock.js'
import { silentLog } from '../base/log.js'
import type { ToProcess } from './messages.js'
import { type StartedProcess, Supervisor } from './supervisor.js'

/** A process as the supervisor sees it, whose end and messages the test decides. */
class FakeProcess extends EventEmitter implements StartedProcess {
  readonly signals: string[] = []
  readonly asked: ToProcess[] = []
  reason: string | undefined
  isSilent = false
  readonly process: { pid: number | undefined; kill(signal: string): unknown } = {
    pid: 1,
    kill: (signal) => this.signals.push(signal),
  }
  isGone = false

  send(message: ToProcess, onSent: (error: Error | null) => void): void {
    this.asked.push(message)
    if (this.isGone) {
      onSent(new Error('Channel closed'))
      return
    }
    const { reason } = this
    const report = { health: { reason, details: { clusterId: 'abc' } }, metrics: '' }
    if (!this.isSilent) this.emit('message', { kind: 'report', id: message.id, report })
  }

  listens(): void {
    this.emit('message', { kind: 'listening' })
  }

  ends(code: number): void {
    this.emit('exit', code, null)
  }
}

function supervise(count: number) {
  const clock = new ManualClock()
  const processes: FakeProcess[] = []
  let restarts = 0
  const supervisor = new Supervisor({
    ...{ count, clock, log: silentLog() },
    start() {
      const started = new FakeProcess()
      processes.push(started)
      return started
    },
    onRestart: () => restarts++,
  })
  return { clock, processes, supervisor, restarts: () => restarts }
}

test('a process that ends is started again, later each time unless it ran well', async () => {
  const { clock, processes, restarts } = supervise(2)
  for (const one of processes) one.listens()
  processes[0]?.ends(1)
  assert.equal(processes.length, 2)
  await clock.advance(100)
  assert.equal(processes.length, 3)
  processes[2]?.ends(1)
  await clock.advance(100)
  assert.equal(processes.length, 3)
  await clock.advance(100)
  assert.equal(processes.length, 4)
  processes[3]?.listens()
  await clock.advance(61_000)
  processes[3]?.ends(1)
  await clock.advance(100)
  assert.equal(processes.length, 5)
  assert.equal(restarts(), 3)
})

test('what keeps the first from listening ends all, with its exit code', async () => {
  const { processes, supervisor } = supervise(2)
  processes[1]?.ends(2)
  assert.deepEqual(processes[0]?.signals, ['SIGTERM'])
  processes[0]?.ends(0)
  assert.equal(await supervisor.ended, 2)
  assert.equal(processes.length, 2)
})

test('a stop asks all, starts none again, and ends when all have', async () => {
  const { clock, processes, supervisor } = supervise(3)
  for (const one of processes) one.listens()
  processes[2]?.ends(1)
  supervisor.stop()
  assert.deepEqual(
    processes.map(({ signals }) => signals),
    [['SIGTERM'], ['SIGTERM'], []],
  )
  processes[0]?.ends(0)
  await clock.advance(60_000)
  assert.equal(processes.length, 3)
  processes[1]?.ends(0)
  assert.equal(await supervisor.ended, 0)
})

test('all is well as long as each process that takes clients is, and answers', async () => {
  const { clock, processes, supervisor } = supervise(2)
  assert.deepEqual(await supervisor.health(), { reason: 'starting', details: { processes: 0 } })
  for (const one of processes) one.listens()
  assert.deepEqual(await supervisor.health(), { reason: undefined, details: { clusterId: 'abc', processes: 2 } })
  const [, second] = processes
  assert.ok(second)
  second.reason = 'the store does not answer'
  assert.equal((await supervisor.health()).reason, 'process 2: the store does not answer')
  second.isSilent = true
  const health = supervisor.health()
  await clock.advance(2_000)
  assert.equal((await health).reason, 'process 2: it does not answer')
  second.ends(1)
  assert.equal((await supervisor.health()).reason, undefined)
  assert.equal(supervisor.listeningCount, 1)
})

test('one that has just ended and is still asked does no harm', async () => {
  const { processes, supervisor } = supervise(2)
  for (const one of processes) one.listens()
  const [, second] = processes
  assert.ok(second)
  second.isGone = true
  assert.equal((await supervisor.health()).reason, 'process 2: it does not answer')
})

test('one that could not be made is tried again', async () => {
  const { clock, processes } = supervise(2)
  for (const one of processes) one.listens()
  processes[0]?.ends(1)
  await clock.advance(100)
  const [, , third] = processes
  assert.ok(third)
  third.process.pid = undefined
  third.emit('error', new Error('spawn EAGAIN'))
  await clock.advance(200)
  assert.equal(processes.length, 4)
})
