import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broker, Steering } from '../state/steering/steering.js'
import { brokersOf, ownBroker } from './brokers.js'
import type { ServerConfig } from './server-config.js'

const config = { nodeId: 1, advertisedHost: 'lb.example', advertisedPort: 9092, rack: 'zone-a' } as ServerConfig
const own: Broker = { nodeId: 1, host: 'lb.example', port: 9092, rack: 'zone-a' }

/** Gives the second of the brokers everything. */
function steering(all: Broker[]): Steering {
  const second = () => all[1]?.nodeId
  return {
    nodeId: 7,
    brokers: () => all,
    leaderOf: second,
    coordinatorOf: second,
    controllerOf: second,
  } as unknown as Steering
}

test('without steering there is one broker, at the address that is configured', () => {
  const brokers = brokersOf({ config })
  assert.deepEqual(brokers.all, [own])
  assert.deepEqual([brokers.controllerId, brokers.leaderOf('a topic', 3), brokers.coordinatorOf('group')], [1, 1, own])
})

test('with steering there are those who announced themselves, by ids of their own', () => {
  const all = [7, 9].map((nodeId) => ({ nodeId, host: `host-${nodeId}`, port: 9092, rack: null }))
  const context = { config, steering: steering(all) }
  const brokers = brokersOf(context)
  assert.deepEqual(brokers.all, all)
  assert.deepEqual(
    [brokers.controllerId, brokers.leaderOf('a topic', 3), brokers.coordinatorOf('group')],
    [9, 9, all[1]],
  )
  assert.equal(ownBroker(context).nodeId, 7)
})

test('before this instance has announced itself, and knows of no other, it is there all the same', () => {
  const brokers = brokersOf({ config, steering: steering([]) })
  assert.deepEqual(brokers.all, [{ ...own, nodeId: 7 }])
  assert.equal(brokers.leaderOf('a topic', 0), 7)
})
