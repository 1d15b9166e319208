import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { closeLostConnections } from './lost-connections.js'

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
  closeLostConnections(child)
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
