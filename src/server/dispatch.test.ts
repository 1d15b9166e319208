import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Heartbeat } from '../protocol/messages/heartbeat.js'
import { Metadata } from '../protocol/messages/metadata.js'
import { Dispatcher } from './dispatch.js'
import { handle } from './handler.js'

const heartbeat = handle(Heartbeat, () => ({ errorCode: 0 }))
const metadata = handle(Metadata, () => ({ brokers: [], topics: [] }))

test('what has a handler is served, and nothing else', () => {
  const dispatcher = new Dispatcher([heartbeat, metadata])
  assert.deepEqual(dispatcher.served, [Metadata, Heartbeat])
  assert.equal(dispatcher.route(Metadata.key)?.handler, metadata)
  for (const key of [-1, 0, 11, 1000]) assert.equal(dispatcher.route(key), undefined)
})

test('two handlers for one API are a mistake', () => {
  assert.throws(() => new Dispatcher([heartbeat, heartbeat]), /two handlers for Heartbeat/)
})
