import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/error-codes.js'
import { ApiVersions } from '../../../src/protocol/messages/api-versions.js'
import { Metadata } from '../../../src/protocol/messages/metadata.js'
import { SaslAuthenticate } from '../../../src/protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../../../src/protocol/messages/sasl-handshake.js'
import { startServer } from './server-under-test.js'
import { connect } from './wire-client.js'

const config = { saslEnabled: true, saslPlainUsername: 'alice', saslPlainPassword: 'secret' }
const token = (username: string, password: string) => Buffer.from(`\0${username}\0${password}`)

/** A size-prefixed token without a Kafka header. */
function bare(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

test('a client with the right password gets in', async (context) => {
  const { port } = await startServer(context, { config })
  for (let version = 0; version <= 2; version++) {
    const client = await connect(context, port)
    assert.equal((await client.call(ApiVersions, 0, {})).errorCode, ErrorCode.NONE)
    const handshake = await client.call(SaslHandshake, 1, { mechanism: 'PLAIN' })
    assert.deepEqual(handshake, { errorCode: ErrorCode.NONE, mechanisms: ['PLAIN'] })
    const done = await client.call(SaslAuthenticate, version, { authBytes: token('alice', 'secret') })
    assert.equal(done.errorCode, ErrorCode.NONE)
    assert.equal(done.authBytes.length, 0)
    assert.equal((await client.call(Metadata, 9, { topics: [] })).brokers.length, 1)
    // Once in, a handshake is out of place, but does no harm.
    const again = await client.call(SaslHandshake, 1, { mechanism: 'PLAIN' })
    assert.equal(again.errorCode, ErrorCode.ILLEGAL_SASL_STATE)
    assert.equal((await client.call(Metadata, 9, { topics: [] })).brokers.length, 1)
  }
})

test('a wrong password, user or token is refused with a message, then the connection is closed', async (context) => {
  const { port, closed } = await startServer(context, { config })
  const cases: [Buffer, RegExp][] = [
    [token('alice', 'wrong'), /Invalid username or password/],
    [token('bob', 'secret'), /Invalid username or password/],
    [token('alice', ''), /password not specified/],
    [token('', 'secret'), /username not specified/],
    [Buffer.from('rubbish'), /invalid credentials/],
    [Buffer.from('bob\0alice\0secret'), /authorization id/],
  ]
  for (const [authBytes, message] of cases) {
    const client = await connect(context, port)
    await client.call(SaslHandshake, 1, { mechanism: 'PLAIN' })
    const refused = await client.call(SaslAuthenticate, 1, { authBytes })
    assert.equal(refused.errorCode, ErrorCode.SASL_AUTHENTICATION_FAILED)
    assert.match(refused.errorMessage ?? '', message)
    await client.closed()
  }
  assert.deepEqual(new Set(closed), new Set(['authentication']))
})

test('another mechanism is refused with the list of those there are', async (context) => {
  const { port } = await startServer(context, { config })
  const client = await connect(context, port)
  const refused = await client.call(SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' })
  assert.deepEqual(refused, { errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM, mechanisms: ['PLAIN'] })
  await client.closed()
})

test('anything else before authentication closes the connection', async (context) => {
  const { port, lines } = await startServer(context, { config })
  const client = await connect(context, port)
  client.start(Metadata, 9, { topics: null })
  assert.equal(await client.frame(), undefined)
  assert.ok(lines.some(({ msg, api }) => /before authentication/.test(String(msg)) && api === 'Metadata'))

  const hasty = await connect(context, port)
  const answer = await hasty.call(SaslAuthenticate, 1, { authBytes: token('alice', 'secret') })
  assert.equal(answer.errorCode, ErrorCode.ILLEGAL_SASL_STATE)
  await hasty.closed()
})

test('after the first handshake version the token comes bare, and so does its answer', async (context) => {
  const { port } = await startServer(context, { config })
  const client = await connect(context, port)
  await client.call(SaslHandshake, 0, { mechanism: 'PLAIN' })
  client.send(bare(token('alice', 'secret')))
  assert.equal((await client.frame())?.length, 0)
  assert.equal((await client.call(Metadata, 9, { topics: [] })).brokers.length, 1)

  const wrong = await connect(context, port)
  await wrong.call(SaslHandshake, 0, { mechanism: 'PLAIN' })
  wrong.send(bare(token('alice', 'wrong')))
  assert.equal(await wrong.frame(), undefined)
})

test('an unauthenticated client may send small requests only', async (context) => {
  const { port } = await startServer(context, { config })
  const client = await connect(context, port)
  const length = Buffer.alloc(4)
  length.writeInt32BE(600 * 1024)
  client.send(length)
  await client.closed()
})

test('where SASL is off its calls are out of place', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  const handshake = await client.call(SaslHandshake, 1, { mechanism: 'PLAIN' })
  assert.deepEqual(handshake, { errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms: [] })
  const authenticate = await client.call(SaslAuthenticate, 2, { authBytes: token('alice', 'secret') })
  assert.equal(authenticate.errorCode, ErrorCode.ILLEGAL_SASL_STATE)
  assert.equal((await client.call(Metadata, 9, { topics: [] })).brokers.length, 1)
})
