import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { test } from 'node:test'
import { silentLog } from '../../base/log.js'
import type { ObjectStore } from './object-store.js'
import { leaveBodyUnsigned, s3Store } from './s3.js'

const options = { environment: {}, endpoint: 'http://127.0.0.1:1', log: silentLog() }

test('an S3 URL names a bucket and perhaps a prefix', async () => {
  for (const [url, expected] of [
    ['s3://bucket', 's3://bucket'],
    ['s3://bucket/', 's3://bucket'],
    ['s3://my.bucket-1/a', 's3://my.bucket-1/a'],
    ['s3://bucket/a/b_c/', 's3://bucket/a/b_c'],
  ] as const) {
    const store = s3Store({ ...options, url })
    assert.equal(store.url, expected)
    await store.close()
  }
})

test('any other URL is refused with what was expected', () => {
  for (const url of [
    's3://',
    's3:///a',
    's3://B',
    's3://key:secret@bucket',
    's3://bucket//a',
    's3://bucket/a b',
    's3:bucket',
  ])
    assert.throws(() => s3Store({ ...options, url }), /expected s3:\/\/<bucket>/, url)
})

test('a body is left out of the signature over TLS alone', () => {
  const secure = { protocol: 'https:', headers: {} }
  leaveBodyUnsigned(secure)
  assert.deepEqual(secure.headers, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' })
  const open = { protocol: 'http:', headers: {} }
  leaveBodyUnsigned(open)
  assert.deepEqual(open.headers, {})
})

/** Runs `use` with a store on a server that answers as `serve` does; gives the requests it saw. */
async function withServer(
  serve: (request: http.IncomingMessage, response: http.ServerResponse) => void,
  use: (store: ObjectStore) => Promise<void>,
): Promise<string[]> {
  const requests: string[] = []
  const server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url?.split('&')[0]}`)
    request.resume().once('end', () => serve(request, response))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const credentials = { accessKeyId: 'a', secretAccessKey: 's' }
  const endpoint = `http://127.0.0.1:${address.port}`
  const store = s3Store({ ...options, credentials, endpoint, url: 's3://bucket/p' })
  try {
    await use(store)
  } finally {
    await store.close()
    server.closeAllConnections()
    server.close()
  }
  return requests
}

const xml = (code: string) => `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code></Error>`

test('a server without DeleteObjects is asked to delete singly, from then on at once', async () => {
  const requests = await withServer(
    (request, response) => {
      if (request.method === 'POST') response.writeHead(501).end(xml('NotImplemented'))
      else response.writeHead(request.url?.includes('gone') ? 404 : 204).end()
    },
    async (store) => {
      await store.delete(['a', 'b', 'gone'])
      await store.delete(['c', 'd'])
    },
  )
  const singly = ['a', 'b', 'gone', 'c', 'd'].map((key) => `DELETE /bucket/p/${key}?x-id=DeleteObject`)
  assert.deepEqual(requests, ['POST /bucket/?delete=', ...singly])
})

test('an object that DeleteObjects could not delete is an error, a missing one is none', async () => {
  const refusing = (code: string) => (_: unknown, response: http.ServerResponse) =>
    response
      .writeHead(200, { 'content-type': 'application/xml' })
      .end(`<DeleteResult><Error><Key>p/b</Key><Code>${code}</Code><Message>no</Message></Error></DeleteResult>`)
  await withServer(refusing('AccessDenied'), (store) =>
    assert.rejects(store.delete(['a', 'b']), { name: 'StoreError', retry: false, message: /1 of 2 .*AccessDenied/ }),
  )
  await withServer(refusing('InternalError'), (store) => assert.rejects(store.delete(['a', 'b']), { retry: true }))
  await withServer(refusing('NoSuchKey'), (store) => store.delete(['a', 'b']))
})

test('a range of a server that sends the whole object is cut out of it', async () => {
  await withServer(
    (_, response) => response.writeHead(200).end('0123456789'),
    async (store) => {
      assert.deepEqual(await store.get('a', { position: 3, length: 2 }), { bytes: Buffer.from('34'), size: 10 })
    },
  )
})

test('a server that is never done with its answer is given up', async () => {
  const hanging = http.createServer((_, response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('01234')
  })
  hanging.listen(0, '127.0.0.1')
  await once(hanging, 'listening')
  const address = hanging.address()
  assert.ok(address !== null && typeof address === 'object')
  const credentials = { accessKeyId: 'a', secretAccessKey: 's' }
  const endpoint = `http://127.0.0.1:${address.port}`
  const store = s3Store({ ...options, credentials, endpoint, url: 's3://bucket', requestTimeoutMs: 200 })
  await assert.rejects(store.get('a'), { name: 'StoreError', retry: true })
  await store.close()
  hanging.closeAllConnections()
  hanging.close()
})
