import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32c, crc32cOf, nativeCrc32c, scriptCrc32c } from './crc32c.js'

const ascending = Buffer.from(Array.from({ length: 32 }, (_, index) => index))

// RFC 3720, appendix B.4, and the check value of the Rocksoft catalogue.
const vectors: [name: string, bytes: Buffer, crc: number][] = [
  ['nothing', Buffer.alloc(0), 0],
  ['123456789', Buffer.from('123456789'), 0xe3069283],
  ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
  ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['32 ascending bytes', ascending, 0x46dd794e],
  ['32 descending bytes', Buffer.from(ascending).reverse(), 0x113fdb5c],
]

for (const [name, bytes, crc] of vectors)
  test(`the checksum of ${name} is the published one, by either implementation`, () => {
    assert.equal(crc32c(bytes), crc)
    assert.equal(scriptCrc32c()(bytes), crc)
  })

test('the native implementation and the script agree on any bytes, in one go or in pieces', (t) => {
  const native = nativeCrc32c()
  if (native === undefined) return t.skip('no native binary for this platform')
  const script = scriptCrc32c()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.uint8Array({ maxLength: 300 }), (head, tail) => {
      const whole = Buffer.concat([head, tail])
      assert.equal(native(whole), script(whole))
      assert.equal(script(tail, script(head)), script(whole))
      assert.equal(native(tail, native(head)), script(whole))
    }),
  )
})

test('pieces have the checksum of the buffer they make up', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 8 }), (pieces) => {
      assert.equal(crc32cOf(pieces), crc32c(Buffer.concat(pieces)))
    }),
  )
})
