import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ListedObject, ListOptions, ObjectStore } from '../../src/state/store/object-store.js'

/** How the suite comes by the store it tests. */
export interface StoreUnderTest {
  /** Two stores on the same, empty place, as two processes would have. */
  open(): Promise<[ObjectStore, ObjectStore]>
  /** Removes what `open` made, after the stores were closed. */
  remove?(): Promise<void>
  /** Whether the store is one that can be watched. */
  watches: boolean
  /** Keys that are raced for; fewer where each costs milliseconds. */
  races?: number
  /** A reason to skip everything. */
  skip?: string | undefined
}

/** What every object store has to keep: registers the tests. Run by each implementation's own test. */
export function storeContract(name: string, under: StoreUnderTest): void {
  describe(`${name} keeps the object store's contract`, { skip: under.skip ?? false }, () => {
    let store: ObjectStore
    let other: ObjectStore
    before(async () => {
      ;[store, other] = await under.open()
    })
    after(async () => {
      await store?.close()
      await other?.close()
      await under.remove?.()
    })

    test('a put creates the object and gives it back', async () => {
      assert.equal(await store.putIfAbsent('basic/one', pieces('hello ', 'world')), 'created')
      const object = await other.get('basic/one')
      assert.equal(object?.bytes.toString(), 'hello world')
      assert.equal(object.size, 11)
    })

    test('a second put changes nothing and says so', async () => {
      assert.equal(await store.putIfAbsent('basic/twice', pieces('first')), 'created')
      assert.equal(await store.putIfAbsent('basic/twice', pieces('second')), 'exists')
      assert.equal(await other.putIfAbsent('basic/twice', pieces('third')), 'exists')
      assert.equal((await other.get('basic/twice'))?.bytes.toString(), 'first')
    })

    test('a missing object is undefined, whole or by range', async () => {
      assert.equal(await store.get('basic/missing'), undefined)
      assert.equal(await store.get('no-such-folder/at/all'), undefined)
      assert.equal(await store.get('basic/missing', { position: 3, length: 4 }), undefined)
    })

    test('an object may be empty, also its pieces', async () => {
      assert.equal(await store.putIfAbsent('empty/none', []), 'created')
      assert.equal(await store.putIfAbsent('empty/some', pieces('', 'x', '')), 'created')
      assert.equal(await store.putIfAbsent('empty/none', pieces('late')), 'exists')
      assert.deepEqual(await other.get('empty/none'), { bytes: Buffer.alloc(0), size: 0 })
      assert.equal((await other.get('empty/some'))?.bytes.toString(), 'x')
    })

    test('a range gives its bytes and the size of the whole', async () => {
      const body = randomBytes(10_000)
      await store.putIfAbsent('range/blob', [body.subarray(0, 1), body.subarray(1)])
      const ranges: [number, number][] = [
        [0, 1],
        [0, 10_000],
        [17, 4_000],
        [9_999, 1],
        [9_990, 100],
        [0, 20_000],
        [10_000, 1],
        [50_000, 10],
      ]
      for (const [position, length] of ranges) {
        const object = await other.get('range/blob', { position, length })
        assert.deepEqual(object?.bytes, body.subarray(position, position + length), `${position}+${length}`)
        assert.equal(object.size, body.length, `${position}+${length}`)
      }
      await store.putIfAbsent('range/empty', [])
      assert.deepEqual(await other.get('range/empty', { position: 0, length: 10 }), { bytes: Buffer.alloc(0), size: 0 })
    })

    test('what can be had at once is what a get gives', async () => {
      // Numbered objects, small and large, may be kept in another way than others.
      const keys = [0, 1, 2].flatMap((i) => [`now/${i}`, `ledger/7/${String(i).padStart(20, '0')}`])
      for (const [index, key] of keys.entries()) {
        const body = randomBytes(index < 2 ? 100 : 600_000)
        await store.putIfAbsent(key, [body])
        for (const [position, length] of [
          [0, body.length],
          [10, 50],
          [90, 2_000],
          [body.length, 1],
        ] as const)
          for (const each of [store, other]) {
            // The other store may have to find it first.
            await each.get(key, { position, length })
            const object = each.getNow?.(key, { position, length }, Buffer.alloc)
            // A machine that is busy may be slow, and a slow store is not read so.
            if (object === undefined) continue
            assert.deepEqual(object.bytes, body.subarray(position, position + length), `${key}: ${position}+${length}`)
            assert.equal(object.size, body.length)
          }
      }
      await store.delete(keys)
      for (const key of [...keys, 'now/missing', 'ledger/7/00000000000000000009'])
        assert.equal(store.getNow?.(key, { position: 0, length: 10 }, Buffer.alloc), undefined)
    })

    test('large objects of many pieces come back as they were', async () => {
      for (const mebibytes of [4, 20]) {
        const body = randomBytes(mebibytes << 20)
        const parts: Buffer[] = []
        for (let position = 0; position < body.length; position += 9_973)
          parts.push(body.subarray(position, position + 9_973))
        assert.equal(await store.putIfAbsent(`large/${mebibytes}`, parts), 'created')
        const object = await other.get(`large/${mebibytes}`)
        assert.equal(object?.size, body.length)
        assert.equal(digest(object.bytes), digest(body))
        const middle = { position: (2 << 20) + 5, length: 1 << 20 }
        assert.equal(
          digest((await other.get(`large/${mebibytes}`, middle))?.bytes ?? Buffer.alloc(0)),
          digest(body.subarray(middle.position, middle.position + middle.length)),
        )
      }
    })

    test('of 32 puts of one key at once exactly one creates it, and its bytes stay', async () => {
      for (let race = 0; race < (under.races ?? 50); race++) {
        const bodies = Array.from({ length: 32 }, (_, i) => Buffer.concat([Buffer.from([i]), randomBytes(race * 97)]))
        const outcomes = await Promise.all(
          bodies.map(async (body, i) => {
            const racer = i % 2 === 0 ? store : other
            // A loser may be told to try again (409 on S3): it then learns that it lost.
            for (let attempt = 0; ; attempt++) {
              try {
                return await racer.putIfAbsent(`race/${race}`, [body])
              } catch (error) {
                if (attempt === 10) throw error
              }
            }
          }),
        )
        const winners = outcomes.flatMap((outcome, i) => (outcome === 'created' ? [i] : []))
        assert.equal(winners.length, 1)
        assert.deepEqual((await store.get(`race/${race}`))?.bytes, bodies[winners[0] ?? -1])
      }
    })

    test('a reader sees an object whole or not at all while it is put', async () => {
      const body = Buffer.alloc(2 << 20, 'whole')
      for (let round = 0; round < 5; round++) {
        let settled = false
        const put = store.putIfAbsent(`atomic/${round}`, [body.subarray(0, 100), body.subarray(100)])
        const done = put.finally(() => {
          settled = true
        })
        while (!settled) {
          const object = await other.get(`atomic/${round}`)
          if (object !== undefined) assert.equal(object.bytes.length, body.length)
          await sleep(1)
        }
        assert.equal(await done, 'created')
      }
    })

    test('listing is in the order of the keys, with sizes, across folders', async () => {
      const keys = ['a-b', 'a.b', 'a/b', 'a/b-c', 'a/c/d', 'a0', 'aa', 'b/1', 'b/10', 'b/2', 'z'].map(
        (k) => `order/${k}`,
      )
      for (const [i, key] of [...keys].reverse().entries()) await store.putIfAbsent(key, [Buffer.alloc(i)])
      const listed = await all(other, 'order/')
      assert.deepEqual(
        listed.map(({ key }) => key),
        keys,
      )
      assert.deepEqual(
        listed.map(({ size }) => size),
        keys.map((_, i) => keys.length - 1 - i),
      )
      assert.deepEqual(await keysOf(other, 'order/a/'), ['order/a/b', 'order/a/b-c', 'order/a/c/d'])
      assert.deepEqual(await keysOf(other, 'order/b/1'), ['order/b/1', 'order/b/10'])
      assert.deepEqual(await keysOf(other, 'order/a/c'), ['order/a/c/d'])
      assert.deepEqual(await keysOf(other, 'order/nothing'), [])
      assert.deepEqual(await keysOf(other, 'order/nothing/at/all/'), [])
      for (const after of ['order/', 'order/a-b', 'order/a/', 'order/a/b', 'order/a/bb', 'order/a0', 'order/z', 'p']) {
        for (const limit of [1, 3, 100])
          assert.deepEqual(
            await keysOf(other, 'order/', { after, limit }),
            keys.filter((key) => key > after).slice(0, limit),
            `after ${after}, at most ${limit}`,
          )
      }
      assert.deepEqual(await keysOf(other, 'order/', { limit: 0 }), [])
    })

    test('a listing goes on past a thousand keys', async () => {
      const keys = Array.from({ length: 1_100 }, (_, i) => `many/${String(i).padStart(20, '0')}`)
      let next = 0
      const work = async () => {
        for (let key = keys[next++]; key !== undefined; key = keys[next++]) await store.putIfAbsent(key, pieces('x'))
      }
      await Promise.all(Array.from({ length: 16 }, work))
      assert.deepEqual(await keysOf(other, 'many/'), keys)
      assert.deepEqual(await keysOf(other, 'many/', { after: keys[40] ?? '', limit: 1_050 }), keys.slice(41, 1_091))
      await other.delete(keys)
      assert.deepEqual(await keysOf(store, 'many/'), [])
    })

    test('a deleted object is gone, a missing one is no error, and its key is free again', async () => {
      await store.putIfAbsent('delete/one', pieces('1'))
      await store.putIfAbsent('delete/two', pieces('2'))
      await other.delete(['delete/one', 'delete/never', 'no-such-folder/x'])
      await other.delete([])
      assert.equal(await store.get('delete/one'), undefined)
      assert.equal((await store.get('delete/two'))?.bytes.toString(), '2')
      assert.equal(await store.putIfAbsent('delete/one', pieces('again')), 'created')
      assert.equal((await other.get('delete/one'))?.bytes.toString(), 'again')
    })

    test('keys that no store could hold are refused', async () => {
      for (const key of ['', '/', 'a/', '/a', 'a//b', '.', '..', 'a/../b', 'a/./b', 'a b', 'é', 'a\0b', 'tmp/x', 'a\n'])
        for (const request of [store.putIfAbsent(key, []), store.get(key), store.delete([key])])
          await assert.rejects(request, /not an object key/, JSON.stringify(key))
      await assert.rejects(all(store, '../x'), /not a prefix/)
      assert.equal(await store.putIfAbsent('odd/..a/.b/c-_.D', []), 'created')
    })

    if (!under.watches) {
      test('there is no watch', () => assert.equal(store.watch, undefined))
      return
    }

    test('a watch tells of objects that others create, until it is stopped', async () => {
      assert.ok(store.watch !== undefined)
      let calls = 0
      const stop = store.watch('watched/0', () => calls++)
      await other.putIfAbsent('watched/0/1', pieces('x'))
      for (let waited = 0; calls === 0 && waited < 5_000; waited += 5) await sleep(5)
      assert.ok(calls > 0, 'the watch was called')
      stop()
      await sleep(20)
      const before = calls
      await other.putIfAbsent('watched/0/2', pieces('x'))
      await sleep(50)
      assert.equal(calls, before)
    })
  })
}

function pieces(...texts: string[]): Buffer[] {
  return texts.map((text) => Buffer.from(text))
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function all(store: ObjectStore, prefix: string, options: ListOptions = {}): Promise<ListedObject[]> {
  const objects: ListedObject[] = []
  for await (const object of store.list(prefix, options)) objects.push(object)
  return objects
}

async function keysOf(store: ObjectStore, prefix: string, options: ListOptions = {}): Promise<string[]> {
  return (await all(store, prefix, options)).map(({ key }) => key)
}
