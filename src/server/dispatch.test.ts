import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Heartbeat } from '../protocol/messages/heartbeat.js'
import { Metadata } from '../protocol/messages/metadata.js'
import { Dispatcher } from './dispatch.js'
import type { FramePlace } from './frame-reader.js'
import { handle } from './handler.js'
import { handlers } from './handlers/table.js'

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

test('only requests that hold no bytes are left where they were received, and only those of Produce are used again', () => {
  const dispatcher = new Dispatcher(handlers)
  const found = new Map<FramePlace, string[]>()
  for (const { key, name } of dispatcher.served) {
    const place = dispatcher.placeOf(key)
    found.set(place, [...(found.get(place) ?? []), name])
  }
  assert.deepEqual(found.get('pinned'), ['Produce'])
  assert.deepEqual(found.get('kept'), ['JoinGroup', 'SyncGroup', 'SaslAuthenticate'])
  assert.ok(found.get('asReceived')?.includes('Fetch'))
  assert.equal(dispatcher.placeOf(1000), 'kept')
})
