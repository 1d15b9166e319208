import assert from 'node:assert/strict'
import { test } from 'node:test'
import { steps } from '../catalog.js'
import type { ValueFormat } from '../component.js'
import { parseJson } from '../json.js'
import { type PipelineRecord, valueBytes } from '../record.js'

function record(value: unknown): PipelineRecord {
  return {
    topic: 'orders',
    partition: 3,
    offset: 42,
    timestampMs: Date.UTC(2024, 0, 2),
    key: Buffer.from('k1'),
    headers: [
      { key: 'trace', value: Buffer.from('old') },
      { key: 'trace', value: Buffer.from('abc') },
    ],
    value,
    stored: undefined,
    bytes: 0,
  }
}

async function apply(name: string, options: unknown, value: unknown, format: ValueFormat = 'json') {
  const component = steps.find((candidate) => candidate.name === name)
  assert.ok(component)
  const step = await component.open(component.options.parse(options), { format })
  return step.apply(record(value))
}

async function applied(name: string, options: unknown, value: unknown, format: ValueFormat = 'json') {
  const records = await apply(name, options, value, format)
  return records.map((one) => valueBytes(one)?.toString('utf8') ?? null)
}

const order =
  '{"status":"paid","qty":2,"price":3.5,"n":3,"big":9007199254740993,"items":[{"qty":2,"price":3},{"qty":1,"price":1.5}],"gone":null}'

const filters: [string, boolean][] = [
  ['value.status == "paid"', true],
  ['value.qty > 1 && value.price < 4', true],
  ['value.qty * 2 == 4', true],
  ['value.n % 2 == 1', true],
  ['value.n / 2 == 1.5', true],
  ['2 * value.price == 7', true],
  ['value.qty in [1, 2, 3]', true],
  ['value.big == 9007199254740993', true],
  ['value.big == 9007199254740992', false],
  ['value.gone == null', true],
  ['has(value.missing)', false],
  ['value.?missing.orValue(1) == 1', true],
  ['value.items.exists(i, i.qty == 1)', true],
  ['value.items[value.qty - 1].qty == 1', true],
  ['size(value.items) + value.qty == 4', true],
  ['value.status.substring(value.qty) == "id"', true],
  ['key == "k1" && topic == "orders" && partition == 3 && offset == 42', true],
  ['offset % 2 == 0', true],
  ['headers.trace == "abc" && !("other" in headers)', true],
  ['timestamp > timestamp("2024-01-01T00:00:00Z")', true],
  ['timestamp.getFullYear() == 2023', false],
]

for (const [expression, isKept] of filters) {
  test(`filter ${isKept ? 'keeps' : 'drops'} by ${expression}`, async () => {
    assert.equal((await apply('filter', expression, parseJson(order))).length, isKept ? 1 : 0)
  })
}

test('filter refuses a record for which the expression fails or gives no bool', async () => {
  await assert.rejects(apply('filter', 'value.missing == 1', {}), /value\.missing == 1: No such key: missing/)
  await assert.rejects(apply('filter', 'value.n', { n: 1 }), /filter gave number, expected true or false/)
})

test('filter refuses an expression that does not compile, in one line', async () => {
  for (const expression of ['value.n ==', '1 + 1', 'valeu.n == 1', '"a" + 1 == "a"'])
    await assert.rejects(apply('filter', expression, {}), (error: Error) => !error.message.includes('\n'))
})

const maps: [string, Record<string, unknown>, string, string][] = [
  ['sets a field', { total: 'value.qty * value.price' }, '{"qty":2,"price":3.5}', '{"qty":2,"price":3.5,"total":7}'],
  [
    'sums what it maps',
    { t: 'value.i.map(i, i.q * i.p).sum()' },
    '{"i":[{"q":2,"p":3}]}',
    '{"i":[{"q":2,"p":3}],"t":6}',
  ],
  ['writes integers as numbers', { n: '1 + 2', s: 'size(value.l)' }, '{"l":[1]}', '{"l":[1],"n":3,"s":1}'],
  [
    'keeps large integers',
    { next: 'value.id + 1' },
    '{"id":9007199254740993}',
    '{"id":9007199254740993,"next":9007199254740994}',
  ],
  ['removes a field', { card: '' }, '{"card":"x","a":1}', '{"a":1}'],
  ['sees the record as it came', { a: 'value.b', b: 'value.a' }, '{"a":1,"b":2}', '{"a":2,"b":1}'],
  ['sets nested fields', { 'a.b': '"x"', c: { d: 'value.a.z' } }, '{"a":{"z":1}}', '{"a":{"z":1,"b":"x"},"c":{"d":1}}'],
  ['knows a dot in a name', { 'a\\.b': '1' }, '{}', '{"a.b":1}'],
  [
    'writes times as text',
    { at: 'timestamp', d: 'duration("90s")' },
    '{}',
    '{"at":"2024-01-02T00:00:00.000Z","d":"90s"}',
  ],
  ['makes objects and lists', { o: '{"a": [1, value.x, "s"]}' }, '{"x":2.5}', '{"x":2.5,"o":{"a":[1,2.5,"s"]}}'],
  ['takes the place of the record', { from: 'topic + "/" + string(offset)' }, '{}', '{"from":"orders/42"}'],
]

for (const [what, options, given, expected] of maps) {
  test(`map ${what}`, async () => {
    assert.deepEqual(await applied('map', options, parseJson(given)), [expected])
  })
}

test('map does not change the record it was given', async () => {
  const value = { a: { b: 1 } }
  await apply('map', { 'a.b': '2', 'a.c': '3' }, value)
  assert.deepEqual(value, { a: { b: 1 } })
})

test('map refuses what has no form in JSON, and fields of what is no object', async () => {
  await assert.rejects(async () => apply('map', { x: 'value.n / 0' }, { n: 1 }), /Infinity has no form in JSON/)
  await assert.rejects(async () => apply('map', { 'a.b': '1' }, { a: 'text' }), /expected an object, found a string/)
  await assert.rejects(async () => apply('map', { a: '1' }, [1]), /found a list/)
})

test('map lets a tombstone pass and can not be used on raw values', async () => {
  assert.deepEqual(await applied('map', { a: '1' }, null), [null])
  await assert.rejects(apply('map', { a: '1' }, Buffer.from('x'), 'raw'), /format = "json"/)
})

const detected: [string, string, string][] = [
  ['email', 'write to ann.b+c@mail.example.org, now', 'write to ***@mail.example.org, now'],
  ['email', 'not @ an address, nor a@b', 'not @ an address, nor a@b'],
  ['credit_card', 'card 4111 1111 1111 1111.', 'card ***1111.'],
  ['credit_card', 'card 4111-1111-1111-1112', 'card 4111-1111-1111-1112'],
  ['credit_card', 'amex 378282246310005', 'amex ***0005'],
  ['ssn', 'ssn 123-45-6789 and 000-12-3456', 'ssn *** and 000-12-3456'],
  ['phone', 'call +49 151 2345678 or (212) 555-0199', 'call *** or ***'],
  ['phone', 'order 2125550199 of 2024-01-02', 'order 2125550199 of 2024-01-02'],
  ['ip', 'from 192.168.1.20 and 2001:db8::1 at 12:34:56, v1.2.3.4.5', 'from *** and *** at 12:34:56, v1.2.3.4.5'],
  ['iban', 'to DE89 3704 0044 0532 0130 00', 'to DE***'],
  ['iban', 'to DE88370400440532013000', 'to DE88370400440532013000'],
]

for (const [detector, text, masked] of detected) {
  test(`mask finds ${detector} in "${text}"`, async () => {
    const options = { detect: [detector] }
    assert.deepEqual(await applied('mask', options, { a: [{ b: text }], n: 1 }), [
      JSON.stringify({ a: [{ b: masked }], n: 1 }),
    ])
    assert.deepEqual(await applied('mask', options, Buffer.from(`ü ${text}`), 'raw'), [`ü ${masked}`])
  })
}

test('mask hides fields by name, within lists and by wildcard', async () => {
  const value = {
    email: 'ann@x.io',
    pin: 1234,
    none: null,
    items: [{ card: 'x', id: 1 }],
    by: { a: { s: 'q' }, b: { s: 'r' } },
  }
  assert.deepEqual(
    await applied('mask', { fields: ['email', 'pin', 'none', 'items.card', 'by.*.s', 'absent.x'] }, value),
    [
      JSON.stringify({
        email: '***@x.io',
        pin: '***',
        none: null,
        items: [{ card: '***', id: 1 }],
        by: { a: { s: '***' }, b: { s: '***' } },
      }),
    ],
  )
})

test('mask leaves a record alone in which there is nothing to hide', async () => {
  const value = { a: 'b', c: [1] }
  const [masked] = await apply('mask', { fields: ['x'], detect: ['email', 'ip'] }, value)
  assert.equal(masked?.value, value)
})

test('mask takes another replacement, and no long time on any text', async () => {
  assert.deepEqual(await applied('mask', { fields: ['a'], replacement: '' }, { a: 'x' }), ['{"a":""}'])
  const started = process.cpuUsage()
  await apply(
    'mask',
    { detect: ['email', 'credit_card', 'ssn', 'phone', 'ip', 'iban'] },
    { a: '1-:a.@ '.repeat(15_000) },
  )
  await apply('mask', { detect: ['email', 'credit_card', 'ssn', 'phone', 'ip', 'iban'] }, { a: 'a'.repeat(100_000) })
  assert.ok(process.cpuUsage(started).user < 2_000_000)
})
