import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { byBytes, checkPrefix, folderOf, isKey, keyLengthMax } from './keys.js'

test('the keys of the ledger are keys', () => {
  const keys = [
    'cluster.json',
    'ledger/0/00000000000000000001',
    'lanes/0/12/3',
    'segments/0f/3/000-a',
    'tmpx/1',
    'a/tmp',
  ]
  for (const key of keys) assert.ok(isKey(key), key)
})

test('what a file system or S3 reads otherwise is no key', () => {
  const long = `${'a'.repeat(200)}/`.repeat(3)
  for (const key of [
    '',
    '.',
    '..',
    '/a',
    'a/',
    'a//b',
    './a',
    'a/..',
    'a\\b',
    'tmp',
    'tmp/a',
    'a b',
    'é',
    'a\n',
    `${long}a`,
  ])
    assert.ok(!isKey(key), key)
  assert.ok(!isKey('a'.repeat(201)), 'longer than a file name may be')
  assert.ok(!isKey('a/'.repeat(keyLengthMax).slice(0, keyLengthMax + 1)))
})

test('a prefix may end anywhere in a key', () => {
  for (const prefix of ['', 'ledger', 'ledger/', 'ledger/0/000', 'a/b-']) checkPrefix(prefix)
  for (const prefix of ['/', '//', '../', 'a b', 'a//']) assert.throws(() => checkPrefix(prefix), prefix)
})

test('deciding is quick also for hostile keys', () => {
  const begun = performance.now()
  isKey(`${'a'.repeat(keyLengthMax - 1)}!`)
  isKey(`${'a/'.repeat(keyLengthMax / 2 - 1)}!`)
  assert.ok(performance.now() - begun < 100)
})

test('the folder of a key is what stands before its last slash', () => {
  assert.equal(folderOf('a/b/c'), 'a/b')
  assert.equal(folderOf('c'), '')
})

test('keys sort as their bytes do', () => {
  const segment = fc.stringMatching(/^[A-Za-z0-9._-]{1,3}$/)
  const key = fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join('/'))
  fc.assert(
    fc.property(key, key, (a, b) => {
      assert.equal(Math.sign(byBytes(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
  )
})
