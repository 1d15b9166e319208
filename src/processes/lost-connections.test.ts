import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { LostConnections } from './lost-connections.js'

class FakeChild extends EventEmitter {
  readonly sent: unknown[] = []

  send(message: unknown, ...rest: unknown[]): boolean {
    this.sent.push([message, ...rest])
    return true
  }
}

const connection = () => ({
  closed: 0,
  close() {
    this.closed++
  },
})

test('of connections that were given to a process those are closed that it did not take', () => {
  const child = new FakeChild()
  new LostConnections().watch(child)
  const [taken, lost, other] = [connection(), connection(), connection()]
  assert.equal(child.send({ cmd: 'NODE_CLUSTER', act: 'newconn', seq: 1 }, taken), true)
  child.send({ cmd: 'NODE_CLUSTER', act: 'newconn', seq: 2 }, lost)
  child.send({ cmd: 'NODE_CLUSTER', act: 'other', seq: 3 }, other)
  child.send({ kind: 'report' })
  assert.equal(child.sent.length, 4)
  child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack: 1, accepted: true })
  child.emit('internalMessage', 'something')
  child.emit('exit')
  child.emit('exit')
  assert.deepEqual([taken.closed, lost.closed, other.closed], [0, 1, 0])
})

test('what the last process refuses is closed in the end, what another took is not', () => {
  const [first, second] = [new FakeChild(), new FakeChild()]
  const lost = new LostConnections()
  lost.watch(first)
  lost.watch(second)
  const [handedOn, left] = [connection(), connection()]
  const give = (child: FakeChild, seq: number, handle: object) =>
    child.send({ cmd: 'NODE_CLUSTER', act: 'newconn', seq }, handle)
  const answer = (child: FakeChild, ack: number, accepted: boolean) =>
    child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack, accepted })
  give(first, 1, handedOn)
  give(first, 2, left)
  answer(first, 1, false)
  answer(first, 2, false)
  give(second, 1, handedOn)
  answer(second, 1, true)
  give(second, 2, left)
  answer(second, 2, false)
  first.emit('exit')
  second.emit('exit')
  assert.deepEqual([handedOn.closed, left.closed], [0, 0])
  lost.close()
  assert.deepEqual([handedOn.closed, left.closed], [0, 1])
})
