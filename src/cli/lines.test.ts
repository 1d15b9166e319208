import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import { linesOf } from './lines.js'

async function all(chunks: readonly Buffer[]): Promise<string[]> {
  const lines: string[] = []
  for await (const some of linesOf(Readable.from(chunks), new AbortController().signal))
    lines.push(...some.map((line) => line.toString()))
  return lines
}

test('lines are the same wherever the stream is cut', async () => {
  const texts = fc.array(fc.stringMatching(/^[a-z]{0,5}$/), { minLength: 1, maxLength: 10 })
  await fc.assert(
    fc.asyncProperty(texts, fc.integer({ min: 1, max: 7 }), async (lines, size) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, i * size + size),
      )
      assert.deepEqual(await all(chunks), lines)
    }),
  )
})

test('a last line without an end counts, a carriage return does not', async () => {
  assert.deepEqual(await all([Buffer.from('a\r\n\nb')]), ['a', '', 'b'])
  assert.deepEqual(await all([]), [])
})

test('an aborted signal ends the lines of a stream that goes on', async () => {
  const stream = new PassThrough()
  const stop = new AbortController()
  stream.write('first\nsecond')
  const lines: string[] = []
  for await (const some of linesOf(stream, stop.signal)) {
    lines.push(...some.map((line) => line.toString()))
    stop.abort()
  }
  assert.deepEqual(lines, ['first', 'second'])
})
