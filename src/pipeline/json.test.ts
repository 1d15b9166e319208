import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseJson, stringifyJson } from './json.js'

test('integers that a double can not hold keep their digits', () => {
  const text = '{"id":9007199254740993,"ids":[-123456789012345678901234567890],"n":1,"f":1.5}'
  assert.equal(stringifyJson(parseJson(text)), text)
  assert.deepEqual(parseJson('{"id":9007199254740993}'), { id: 9007199254740993n })
})

test('fractions, exponents and digits in texts are left alone', () => {
  const text = '{"a":"9007199254740993","b":0.12345678901234567,"c":1e20,"9007199254740993":1}'
  assert.deepEqual(parseJson(text), JSON.parse(text))
})

test('texts that look like our own marks come back as they were', () => {
  const value = { a: '\u0000int:5', b: 9007199254740993n, '\u0000int:6': '\u0000str:x', c: 'a"\u0000int:7' }
  assert.deepEqual(parseJson(stringifyJson(value)), value)
})

test('every document with large integers comes back as it was', () => {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.bigInt().filter((n) => !Number.isSafeInteger(Number(n))),
      fc.string({ unit: 'binary' }),
      fc.maxSafeInteger().map((n) => n + 0),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value')),
      fc.dictionary(fc.string(), tie('value'), { noNullPrototype: true }),
    ),
  }))
  fc.assert(
    fc.property(value, (document) => {
      // -0 is 0 in JSON.
      assert.deepEqual(parseJson(stringifyJson(document)), document)
    }),
  )
})

test('what is no document is refused', () => {
  assert.throws(() => parseJson('{"id":9007199254740993'), SyntaxError)
  assert.throws(() => parseJson(''), SyntaxError)
})
