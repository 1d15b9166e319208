import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { type Gateway, startGateway } from '../gateway.js'
import { kcatProgram, lookFor } from '../tools.js'

const found = await lookFor("kcat (Debian's, librdkafka 2.0)", kcatProgram)
const timeout = 40_000

describe('kcat', { skip: found.skip, concurrency: false }, () => {
  let gateway: Gateway
  const id = `${process.pid}-${Date.now()}`

  before(async () => {
    gateway = await startGateway()
  })
  after(async () => {
    await gateway.stop()
  })

  test('it connects and shows the topic that its question creates', { timeout }, async () => {
    await kcat(gateway, ['-P', '-t', `auto-${id}`], 'first\n')
    const shown = await kcat(gateway, ['-L', '-t', `auto-${id}`])
    assert.match(shown, /1 brokers:/)
    assert.match(shown, new RegExp(`topic "auto-${id}" with \\d+ partitions:`))
    assert.doesNotMatch(shown, /Leader not available/i)
  })

  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
    for (const idempotent of [false, true]) {
      test(`lines sent with compression ${compression} and enable.idempotence=${idempotent} come back`, {
        timeout,
      }, async () => {
        const topic = `z-${compression}-${idempotent}-${id}`
        const lines = Array.from({ length: 50 }, (_, n) => `k${n}:value ${n} ${'x'.repeat(n)}`)
        const settings = ['-X', `compression.codec=${compression}`, '-X', `enable.idempotence=${idempotent}`]
        await kcat(gateway, ['-P', '-t', topic, '-p', '0', '-K', ':', ...settings], `${lines.join('\n')}\n`)
        const consumed = await kcat(gateway, ['-C', '-t', topic, '-o', 'beginning', '-e', '-f', '%o %k:%s\n'])
        assert.deepEqual(
          consumed.trimEnd().split('\n'),
          lines.map((line, n) => `${n} ${line}`),
        )
      })
    }
  }

  test('a group consumer gets every record, and the next one of that group none', { timeout }, async () => {
    const topic = `g-${id}`
    await kcat(gateway, ['-P', '-t', topic], 'a\nb\nc\n')
    const group = ['-G', `group-${id}`, '-X', 'auto.offset.reset=earliest', '-e', topic]
    assert.deepEqual((await kcat(gateway, group)).trimEnd().split('\n').toSorted(byText), ['a', 'b', 'c'])
    assert.equal(await kcat(gateway, group), '')
  })

  test('it asks for offsets by time', { timeout }, async () => {
    const topic = `q-${id}`
    const before = Date.now()
    await kcat(gateway, ['-P', '-t', topic, '-p', '0'], 'a\nb\n')
    assert.match(await kcat(gateway, ['-Q', '-t', `${topic}:0:${before - 60_000}`]), /\[0\] offset 0/)
    assert.match(await kcat(gateway, ['-Q', '-t', `${topic}:0:-1`]), /\[0\] offset 2/)
  })
})

function byText(a: string, b: string): number {
  return a < b ? -1 : 1
}

/** Runs kcat against the gateway; its standard output. */
function kcat(gateway: Gateway, args: string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('kcat', ['-b', gateway.bootstrap, '-q', '-m', '20', ...args])
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString()
    })
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(output)
      else reject(new Error(`kcat ${args.join(' ')}: exit ${code}\n${errors}\n${output}`))
    })
    child.stdin.end(input)
  })
}
