import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/base/clock.js'
import { StoreError } from '../../src/base/errors.js'
import { silentLog } from '../../src/base/log.js'
import { systemRandom } from '../../src/base/random.js'
import { checkConditionalPut } from '../../src/state/store/conditional-put.js'
import type { ObjectStore } from '../../src/state/store/object-store.js'
import { openStore } from '../../src/state/store/open.js'
import { putOwn, retrying } from '../../src/state/store/retrying.js'
import { s3Store } from '../../src/state/store/s3.js'
import { startS3Server } from './s3-server.js'
import { type SlowProxy, startSlowProxy } from './slow-proxy.js'
import { storeContract } from './store-contract.js'

const server = await startS3Server()
const { skip } = server
const log = silentLog()
const surroundings = { clock: systemClock, random: systemRandom, log }

/** A store on the test's bucket, through `endpoint`. */
function storeAt(prefix: string, endpoint: string, requestTimeoutMs?: number): ObjectStore {
  assert.ok(server.skip === undefined)
  return s3Store({
    url: `s3://${server.bucket}${prefix === '' ? '' : `/${prefix}`}`,
    endpoint,
    environment: {},
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
    log,
  })
}

after(async () => {
  if (server.skip === undefined) await server.stop()
})

for (const prefix of ['contract', '']) {
  storeContract(`the S3 store ${prefix === '' ? 'without a prefix' : 'below a prefix'}`, {
    skip,
    watches: false,
    races: 20,
    async open() {
      assert.ok(server.skip === undefined)
      return [storeAt(prefix, server.endpoint), storeAt(prefix, server.endpoint)]
    },
  })
}

describe('the S3 store', { skip: skip ?? false }, () => {
  test('is opened by its URL with the standard AWS environment', async () => {
    assert.ok(server.skip === undefined)
    const before = { ...process.env }
    Object.assign(process.env, server.environment)
    try {
      const store = await openStore(`s3://${server.bucket}/by/url/`, surroundings)
      assert.equal(store.url, `s3://${server.bucket}/by/url`)
      assert.equal(store.kind, 'paid')
      await store.putIfAbsent('a/b', [Buffer.from('x')])
      const outside = storeAt('by', server.endpoint)
      assert.equal((await outside.get('url/a/b'))?.bytes.toString(), 'x')
      await store.close()
      await outside.close()
    } finally {
      for (const name of Object.keys(server.environment)) {
        if (before[name] === undefined) delete process.env[name]
        else process.env[name] = before[name]
      }
    }
  })

  test('proves that the server honours create-if-absent, and leaves nothing behind', async () => {
    assert.ok(server.skip === undefined)
    const store = storeAt('proof', server.endpoint)
    await checkConditionalPut(store, 'probe/1')
    for await (const object of store.list('')) assert.fail(`${object.key} was left`)
    await store.close()
  })

  test('a missing bucket, a wrong key and a server that is away are told apart', async () => {
    assert.ok(server.skip === undefined)
    const { endpoint, accessKey, secretKey, bucket } = server
    const attempts = [
      { url: 's3://no-such-bucket/x', endpoint, secret: secretKey, retry: false, message: /NoSuchBucket.*must exist/ },
      { url: `s3://${bucket}/x`, endpoint, secret: 'wrong', retry: false, message: /AWS_SECRET_ACCESS_KEY/ },
      { url: `s3://${bucket}`, endpoint: 'http://127.0.0.1:1', secret: 'x', retry: true, message: /ECONNREFUSED/ },
    ]
    for (const { url, endpoint, secret, retry, message } of attempts) {
      const credentials = { accessKeyId: accessKey, secretAccessKey: secret }
      const store = s3Store({ url, endpoint, environment: {}, credentials, log })
      const requests = [
        () => store.putIfAbsent('a', [Buffer.from('x')]),
        () => store.get('a'),
        () => store.delete(['a']),
        () => store.delete(['a', 'b']),
        async () => {
          for await (const object of store.list('')) assert.fail(`listed ${object.key}`)
        },
      ]
      for (const request of requests)
        await assert.rejects(request, (error) => {
          assert.ok(error instanceof StoreError)
          assert.match(error.message, message)
          assert.equal(error.retry, retry)
          return true
        })
      await store.close()
    }
  })

  test('goes on after the server was killed and came back', async () => {
    assert.ok(server.skip === undefined)
    const store = retrying(storeAt('restart', server.endpoint), surroundings)
    await store.putIfAbsent('a', [Buffer.from('kept')])
    const back = server.restart(300)
    assert.equal((await store.get('a'))?.bytes.toString(), 'kept')
    await back
    await store.close()
  })
})

describe('the S3 store behind a faulty network', { skip: skip ?? false }, () => {
  let proxy: SlowProxy
  let store: ObjectStore
  const fast = { ...surroundings, backoffMs: 5 }

  before(async () => {
    assert.ok(server.skip === undefined)
    proxy = await startSlowProxy({ target: server.endpoint })
    store = storeAt('faults', proxy.endpoint, 500)
  })
  after(async () => {
    await store.close()
    await proxy.close()
  })

  test('a put that was carried out and not answered fails as one of unknown outcome', async () => {
    for (const fault of ['slowDownAfter', 'errorAfter', 'resetAfter', 'stall'] as const) {
      proxy.next('PUT', fault)
      await assert.rejects(store.putIfAbsent(`unknown/${fault}`, [Buffer.from('x')]), (error) => {
        assert.ok(error instanceof StoreError, fault)
        assert.equal(error.retry, true, fault)
        assert.equal(error.slowDown, fault === 'slowDownAfter', fault)
        return true
      })
      assert.equal(await store.putIfAbsent(`unknown/${fault}`, [Buffer.from('x')]), 'exists')
    }
  })

  test('a put that the server refused because of another one may be tried again', async () => {
    for (const fault of ['conflict', 'slowDownBefore', 'resetBefore'] as const) {
      proxy.next('PUT', fault)
      await assert.rejects(store.putIfAbsent(`refused/${fault}`, [Buffer.from('x')]), { retry: true })
      assert.equal(await store.putIfAbsent(`refused/${fault}`, [Buffer.from('x')]), 'created')
    }
  })

  test('no put is sent twice by the client itself', async () => {
    proxy.counts.clear()
    proxy.next('PUT', 'slowDownBefore')
    await assert.rejects(store.putIfAbsent('once', [Buffer.from('x')]))
    assert.equal(proxy.counts.get('PUT'), 1)
  })

  test('an answer cut short is an error, not a shorter object', async () => {
    const body = randomBytes(200_000)
    await store.putIfAbsent('cut', [body])
    proxy.next('GET', 'truncate')
    await assert.rejects(store.get('cut'), (error) => error instanceof StoreError && error.retry)
    proxy.next('GET', 'truncate', 'stall', 'resetBefore', 'slowDownBefore')
    assert.deepEqual((await retrying(store, fast).get('cut'))?.bytes, body)
  })

  test('a writer stores its own object through any of these faults, and notices a stranger', async () => {
    const body = [randomBytes(1_000), randomBytes(2_000)]
    proxy.next('PUT', 'slowDownBefore', 'resetAfter', 'stall', 'conflict')
    proxy.next('GET', 'resetBefore', 'slowDownAfter')
    await putOwn(store, 'own/1', body, fast)
    assert.deepEqual((await store.get('own/1'))?.bytes, Buffer.concat(body))
    await assert.rejects(putOwn(store, 'own/1', [Buffer.from('other')], fast), { name: 'CorruptObjectError' })
  })

  test('a listing and a deletion get through', async () => {
    const own = retrying(store, fast)
    const keys = Array.from({ length: 5 }, (_, i) => `through/${i}`)
    for (const key of keys) await store.putIfAbsent(key, [])
    proxy.next('GET', 'resetBefore', 'slowDownAfter', 'truncate')
    const listed: string[] = []
    for await (const { key } of own.list('through/')) listed.push(key)
    assert.deepEqual(listed, keys)
    proxy.next('POST', 'resetAfter', 'slowDownBefore')
    await own.delete(keys)
    assert.equal(await store.get('through/0'), undefined)
  })

  test('under random delays and faults each key is created once, and no bytes are mixed', async () => {
    assert.ok(server.skip === undefined)
    const seed = Number(process.env.HERACLITUS_TEST_SEED ?? 7)
    const faults = ['slowDownBefore', 'slowDownAfter', 'resetBefore', 'resetAfter', 'conflict', 'truncate'] as const
    const slow = await startSlowProxy({ target: server.endpoint, putMs: 5, getMs: 3, faultRate: 0.2, faults, seed })
    const racer = storeAt('random', slow.endpoint)
    const reader = retrying(storeAt('random', server.endpoint), fast)
    for (let round = 0; round < 20; round++) {
      const bodies = Array.from({ length: 6 }, () => randomBytes(500))
      const results = await Promise.allSettled(bodies.map((body) => racer.putIfAbsent(`k/${round}`, [body])))
      const created = results.flatMap((result, i) =>
        result.status === 'fulfilled' && result.value === 'created' ? [i] : [],
      )
      const existing = results.some((result) => result.status === 'fulfilled' && result.value === 'exists')
      const object = await reader.get(`k/${round}`)
      assert.ok(created.length <= 1, `seed ${seed}`)
      if (created.length === 1) assert.deepEqual(object?.bytes, bodies[created[0] ?? -1], `seed ${seed}`)
      if (existing) assert.ok(object !== undefined, `seed ${seed}`)
      if (object !== undefined)
        assert.ok(
          bodies.some((body) => body.equals(object.bytes)),
          `seed ${seed}`,
        )
    }
    await racer.close()
    await reader.close()
    await slow.close()
  })
})
