import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../protocol/error-codes.js'
import { SaslSession } from './sasl.js'

const config = {
  nodeId: 1,
  advertisedHost: 'localhost',
  advertisedPort: 9092,
  autoCreateTopics: true,
  defaultPartitions: 1,
  defaultReplicationFactor: 1,
  saslEnabled: true,
  saslPlainUsername: 'alice',
  saslPlainPassword: 'secret',
}
const token = Buffer.from('\0alice\0secret')

test('a session opens by handshake and token, in this order', () => {
  const session = new SaslSession(config)
  assert.equal(session.isOpen, false)
  assert.equal(session.handshake('PLAIN', false).errorCode, ErrorCode.NONE)
  assert.equal(session.isOpen, false)
  assert.equal(session.expectsBareToken, false)
  assert.equal(session.authenticate(token).errorCode, ErrorCode.NONE)
  assert.equal(session.isOpen, true)
})

test('a token before the handshake, or a second handshake, ends the authentication', () => {
  const hasty = new SaslSession(config)
  assert.equal(hasty.authenticate(token).errorCode, ErrorCode.ILLEGAL_SASL_STATE)
  assert.equal(hasty.hasFailed, true)
  const doubled = new SaslSession(config)
  doubled.handshake('PLAIN', true)
  assert.equal(doubled.expectsBareToken, true)
  assert.equal(doubled.handshake('PLAIN', true).errorCode, ErrorCode.ILLEGAL_SASL_STATE)
  assert.equal(doubled.hasFailed, true)
})

test('nobody gets in where no user and password are set', () => {
  const session = new SaslSession({ ...config, saslPlainUsername: undefined, saslPlainPassword: undefined })
  session.handshake('PLAIN', false)
  assert.equal(session.authenticate(Buffer.from('\0\0')).errorCode, ErrorCode.SASL_AUTHENTICATION_FAILED)
  const empty = new SaslSession({ ...config, saslPlainUsername: '', saslPlainPassword: '' })
  empty.handshake('PLAIN', false)
  assert.equal(empty.authenticate(Buffer.from('\0\0')).errorCode, ErrorCode.SASL_AUTHENTICATION_FAILED)
})
