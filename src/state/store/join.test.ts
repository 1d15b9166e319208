import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { joinByKey } from './join.js'
import { byBytes } from './keys.js'

const list = fc.uniqueArray(fc.integer({ min: 0, max: 50 }).map((n) => `k/${n}`)).map((keys) => keys.sort(byBytes))
const items = (keys: readonly string[]) => keys.map((key) => ({ key }))

test('each key of either list comes once, in order, with what each list has', async () => {
  await fc.assert(
    fc.asyncProperty(list, list, async (lefts, rights) => {
      const joined: string[] = []
      for await (const { key, left, right } of joinByKey(items(lefts), items(rights))) {
        assert.equal(left?.key, lefts.includes(key) ? key : undefined)
        assert.equal(right?.key, rights.includes(key) ? key : undefined)
        joined.push(key)
      }
      assert.deepEqual(joined, [...new Set([...lefts, ...rights])].sort(byBytes))
    }),
  )
})

test('both lists are ended when nobody wants more', async () => {
  const ended: string[] = []
  async function* endless(name: string) {
    try {
      for (let i = 0; ; i++) yield { key: `${i}`.padStart(5, '0') }
    } finally {
      ended.push(name)
    }
  }
  for await (const { key } of joinByKey(endless('left'), endless('right'))) if (key === '00003') break
  assert.deepEqual(ended, ['left', 'right'])
})
