import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError } from '../../base/errors.js'
import { s3Error } from './s3-errors.js'

/** What the SDK throws for an answer of S3. */
function answer(status: number, name: string): Error {
  return Object.assign(new Error(`${name} said S3`), { name, $metadata: { httpStatusCode: status } })
}

const cases: [Error, { retry: boolean; slowDown?: boolean; message?: RegExp }][] = [
  [answer(409, 'ConditionalRequestConflict'), { retry: true }],
  [answer(503, 'SlowDown'), { retry: true, slowDown: true }],
  [answer(503, 'ServiceUnavailable'), { retry: true, slowDown: true }],
  [answer(429, 'TooManyRequests'), { retry: true, slowDown: true }],
  [answer(500, 'InternalError'), { retry: true }],
  [answer(502, 'BadGateway'), { retry: true }],
  [answer(400, 'RequestTimeout'), { retry: true }],
  [answer(400, 'ExpiredToken'), { retry: true }],
  [answer(400, 'InvalidRequest'), { retry: false }],
  [answer(403, 'AccessDenied'), { retry: false, message: /s3:PutObject/ }],
  [answer(403, 'Forbidden'), { retry: false, message: /s3:ListBucket/ }],
  [answer(404, 'NoSuchBucket'), { retry: false, message: /bucket must exist/ }],
  [answer(301, 'PermanentRedirect'), { retry: false, message: /AWS_REGION/ }],
  [answer(501, 'NotImplemented'), { retry: false, message: /conditional writes/ }],
  [Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }), { retry: true, message: /ECONNRESET/ }],
  [Object.assign(new Error('too slow'), { name: 'TimeoutError' }), { retry: true, message: /TimeoutError/ }],
  [
    Object.assign(new Error('none'), { name: 'CredentialsProviderError' }),
    { retry: true, message: /AWS_ACCESS_KEY_ID/ },
  ],
]

for (const [cause, { retry, slowDown = false, message = /put failed/ }] of cases) {
  test(`${cause.name} ${cause.message} ${retry ? 'may pass' : 'lasts'}${slowDown ? ', and asks to slow down' : ''}`, () => {
    const error = s3Error('put', 'a/b', cause)
    assert.ok(error instanceof StoreError)
    assert.equal(error.key, 'a/b')
    assert.equal(error.retry, retry)
    assert.equal(error.slowDown, slowDown)
    assert.equal(error.cause, cause)
    assert.match(error.message, message)
  })
}
