import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compress, decompress } from './compression.js'
import { RecordError } from './record-error.js'

const codecs = ['gzip', 'snappy', 'lz4', 'zstd'] as const
const hex = (...parts: string[]) => Buffer.from(parts.join(''), 'hex')
/** Text with enough to gain, of several blocks in every codec. */
const text = Buffer.from(
  Array.from({ length: 20_000 }, (_, i) => `{"id":${i},"name":"user ${(i * 7919) % 997}"}`).join(),
)

for (const codec of codecs) {
  test(`${codec}: bytes come back as they went in`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), fc.integer({ min: 1, max: 50 }), (bytes, times) => {
        const plain = Buffer.concat(Array.from({ length: times }, () => bytes))
        const packed = compress(codec, plain)
        assert.ok(decompress(codec, packed, plain.length).equals(plain))
      }),
      { numRuns: 50 },
    )
  })

  test(`${codec}: large text shrinks and comes back`, () => {
    const packed = compress(codec, text)
    assert.ok(packed.length < text.length / 2)
    assert.ok(decompress(codec, packed, text.length).equals(text))
  })

  test(`${codec}: what unpacks to one byte more than allowed is refused`, () => {
    const packed = compress(codec, text)
    for (const bytesMax of [0, 1, 1000, 100_000, text.length - 1])
      assert.throws(() => decompress(codec, packed, bytesMax), RecordError)
  })

  test(`${codec}: a bomb is refused before it has taken memory`, () => {
    const bomb = compress(codec, Buffer.alloc(200_000_000))
    const before = process.memoryUsage.rss()
    assert.throws(() => decompress(codec, bomb, 1_000_000), RecordError)
    assert.ok(process.memoryUsage.rss() - before < 50_000_000)
  })

  test(`${codec}: of damaged bytes, whatever is not refused by a RecordError stays within the bound`, () => {
    const packed = compress(codec, text.subarray(0, 100_000))
    const places = fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(places, fc.oneof(fc.constant(packed.length), fc.nat(packed.length)), (changes, length) => {
        const damaged = Buffer.from(packed)
        for (const [place, byte] of changes) damaged[place] = byte
        try {
          assert.ok(decompress(codec, damaged.subarray(0, length), 200_000).length <= 200_000)
        } catch (error) {
          assert.ok(error instanceof RecordError, String(error))
        }
      }),
      { numRuns: 1000 },
    )
  })

  test(`${codec}: random bytes are no such data`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        // A raw snappy block has no magic: the one random thing it can be is small.
        if (codec === 'snappy') assert.ok(lengthOrRefused(Buffer.from(bytes)) <= 1000)
        else if (bytes.length > 0) assert.throws(() => decompress(codec, Buffer.from(bytes), 1000), RecordError)
      }),
    )
  })
}

function lengthOrRefused(bytes: Buffer): number {
  try {
    return decompress('snappy', bytes, 1000).length
  } catch (error) {
    assert.ok(error instanceof RecordError, String(error))
    return 0
  }
}

// Made by other libraries: python-snappy, python-lz4 and python-zstandard.
const plain = Buffer.from('abcdefg hijkl abcdefg hijkl abcdefg hijkl abcdefg hijkl')
const foreign: [what: string, codec: (typeof codecs)[number], packed: Buffer][] = [
  ['a raw snappy block', 'snappy', hex('3734616263646566672068696a6b6c20a20e00')],
  [
    'an lz4 frame of linked blocks with checksums and content size',
    'lz4',
    hex(
      '04224d187c4037000000000000004518000000ef616263646566672068696a6b6c200e00115068696a6b6cdc36d784000000000795cfc3',
    ),
  ],
  [
    'a zstd frame with checksum and content size',
    'zstd',
    hex('28b52ffd2437a5000070616263646566672068696a6b6c200100029a4a8737d260'),
  ],
  ['a zstd frame without content size', 'zstd', hex('28b52ffd0000a5000070616263646566672068696a6b6c200100029a4a')],
  [
    'a zstd frame of many small blocks',
    'zstd',
    hex(
      '28b52ffd0058700000616263646566672068696a6b6c20340000000100214f203c0000086101000710023c0000086101001c1002010000',
    ),
  ],
]

for (const [what, codec, packed] of foreign)
  test(`${what} is read`, () => {
    assert.equal(decompress(codec, packed, plain.length).toString(), plain.toString())
    assert.throws(() => decompress(codec, packed, plain.length - 1), RecordError)
  })

test('xerial streams that were joined, headers and all, are read as one', () => {
  const packed = compress('snappy', plain)
  const joined = decompress('snappy', Buffer.concat([packed, packed]), 1000)
  assert.equal(joined.toString(), `${plain}${plain}`)
})

test('zstd frames that were joined, with a skippable one between, are read as one', () => {
  const packed = compress('zstd', plain)
  const joined = decompress('zstd', Buffer.concat([packed, hex('502a4d1803000000', 'ffffff'), packed]), 1000)
  assert.equal(joined.toString(), `${plain}${plain}`)
})

const refused: [what: string, codec: (typeof codecs)[number], packed: Buffer][] = [
  ['a zstd frame that claims 4 GB of content', 'zstd', hex('28b52ffd', 'a0', 'ffffffff', '010000')],
  ['a zstd frame with a window of 2 TB', 'zstd', hex('28b52ffd', '00', 'f8', '010000')],
  ['a zstd frame that needs a dictionary', 'zstd', hex('28b52ffd', '21', '05', '00', '010000')],
  ['a skippable zstd frame longer than the data', 'zstd', hex('502a4d18', 'ffffff7f')],
  ['an lz4 block longer than the data', 'lz4', hex('04224d18', '60', '40', '82', 'ff000000', '00')],
  ['an lz4 frame without end', 'lz4', hex('04224d18', '60', '40', '82')],
  ['an lz4 frame that needs a dictionary', 'lz4', hex('04224d18', '61', '40', '00000000', '82', '00000000')],
  ['a raw snappy block that claims 4 GB', 'snappy', hex('ffffffff0f', '00')],
  ['a xerial block of negative length', 'snappy', hex('82534e4150505900', '0000000100000001', 'ffffffff')],
  ['a xerial block longer than the data', 'snappy', hex('82534e4150505900', '0000000100000001', '00000009', '00')],
]

for (const [what, codec, packed] of refused)
  test(`${what} is refused`, () => {
    assert.throws(() => decompress(codec, packed, 1_000_000), RecordError)
  })
