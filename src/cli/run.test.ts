import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { systemClock } from '../base/clock.js'
import { isStart } from './is-start.js'
import { run } from './run.js'

/** Runs a command line; what it wrote, and its exit code. */
async function ran(argv: string[], environment: Record<string, string> = {}) {
  let out = ''
  const notes: string[] = []
  const code = await run(argv, {
    stdin: Readable.from([]),
    out: async (text) => {
      out += text.toString()
    },
    note: (line) => notes.push(line),
    environment,
    signal: new AbortController().signal,
    clock: systemClock,
  })
  return { code, out, notes }
}

test('options alone, and start, start a gateway; all else is a command', () => {
  for (const argv of [[], ['start'], ['start', '--config', 'x'], ['--config', 'x']]) assert.ok(isStart(argv))
  for (const argv of [['--version'], ['--help'], ['-h'], ['produce'], ['nonsense']]) assert.ok(!isStart(argv))
})

test('--version prints the version of the package', async () => {
  const { code, out } = await ran(['--version'])
  assert.equal(code, 0)
  assert.match(out, /^\d+\.\d+\.\d+\n$/)
})

test('every command says what it takes', async () => {
  const { out: usage } = await ran(['--help'])
  for (const name of ['produce', 'consume', 'topics', 'groups', 'ledger', 'config']) {
    assert.ok(usage.includes(`heraclitus ${name}`), name)
    const { code, out } = await ran([name, '--help'])
    assert.equal(code, 0)
    assert.ok(out.startsWith(`heraclitus ${name}`), name)
  }
})

test('a command line that is not understood is one line and exit code 2', async () => {
  const lines: [string[], RegExp][] = [
    [['prodduce', 't'], /unknown command prodduce; did you mean produce\?/],
    [['toString'], /unknown command toString/],
    [['produce'], /expected a TOPIC/],
    [['produce', 't', '--partition', 'x'], /--partition x: expected an integer of at least 0/],
    [['produce', 't', '--bootstrap', 'a:b:c', 'v'], /--bootstrap a:b:c: expected HOST:PORT/],
    [['produce', 't', '-z', 'brotli'], /--compression brotli: expected none, gzip/],
    [['consume', 't', '--max-message', '1'], /Unknown option '--max-message'/],
    [['consume', 't', 'u'], /unexpected argument u/],
    [['consume', 't', '-g', 'g', '--partition', '1'], /--group and --partition exclude each other/],
    [['topics'], /expected list, describe, create, delete/],
    [['topics', 'drop', 't'], /expected list, describe, create, delete/],
    [['topics', 'create', 't', '-c', 'x'], /--topic-config x: expected key=value/],
    [['groups', 'describe'], /expected a GROUP/],
    [['ledger'], /expected inspect, verify/],
    [['ledger', 'verify', '-n', '3'], /verify has no --entries/],
    [['ledger', 'verify', 'x'], /expected inspect, verify, copy/],
    [['ledger', 'copy'], /copy: expected --to URL/],
    [['ledger', 'copy', '--to', 'memory:'], /memory: can only/],
    [['ledger', 'copy', '--from', 'file:/a/b', '--to', 'file:/a/b/c'], /expected a place outside of file:\/a\/b,/],
    [['ledger', 'inspect', '--storage', 'memory:'], /memory: can only/],
    [['config', 'dump'], /expected nothing, or check/],
  ]
  for (const [argv, expected] of lines) {
    const { code, notes, out } = await ran(argv, { HERACLITUS_KAFKA_PORT: '1' })
    assert.equal(code, 2, `${argv.join(' ')}: ${notes.join()}`)
    assert.equal(out, '')
    assert.equal(notes.length, 1)
    assert.match(notes[0] ?? '', expected)
  }
})

test('where there is no cluster, nothing is looked into, and nothing is made', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'heraclitus-run-'))
  try {
    for (const [args, expected] of [
      [['inspect', '--storage'], /there is no cluster in file:/],
      [['verify', '--storage'], /there is no cluster in file:/],
      [['copy', '--to', `file:${folder}/to`, '--from'], /there is no cluster in file:/],
    ] as const) {
      const { code, notes, out } = await ran(['ledger', ...args, `file:${folder}/none`])
      assert.deepEqual([code, out, notes.length], [1, '', 1], notes.join())
      assert.match(notes[0] ?? '', expected)
      assert.ok(!existsSync(`${folder}/none`) && !existsSync(`${folder}/to`))
    }
    writeFileSync(`${folder}/holiday.jpg`, '')
    const strange = await ran(['ledger', 'verify', '--storage', `file:${folder}`])
    assert.match(strange.notes[0] ?? '', /has no cluster.json, and so is no cluster, though there is holiday.jpg/)
    writeFileSync(`${folder}/copy.json`, '{"clusterId":"abc"}\n')
    const unfinished = await ran(['ledger', 'verify', '--storage', `file:${folder}`])
    assert.match(unfinished.notes[0] ?? '', /holds an unfinished copy of cluster abc/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a configuration that is wrong is exit code 2 in every command', async () => {
  const { code, notes } = await ran(['topics', 'list'], { HERACLITUS_KAFKA_PORT: 'x' })
  assert.equal(code, 2)
  assert.deepEqual(notes, ['environment: HERACLITUS_KAFKA_PORT = "x": expected an integer from 0 to 65535'])
})

test('a gateway that is not there is one line and exit code 1', async () => {
  const { code, notes } = await ran(['topics', 'list', '--bootstrap', '127.0.0.1:1'])
  assert.equal(code, 1)
  assert.deepEqual(notes, ["heraclitus: can't connect to 127.0.0.1:1: ECONNREFUSED"])
})

test('something that does not speak Kafka is one line and exit code 1', async () => {
  const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  try {
    const { code, notes } = await ran(['topics', 'list', '--bootstrap', `127.0.0.1:${address.port}`])
    assert.equal(code, 1)
    assert.match(notes[0] ?? '', /is this a Kafka port\?/)
  } finally {
    server.close()
  }
})

test('config prints every setting, and check reads what a start would', async () => {
  assert.match((await ran(['config'])).out, /^kafka_port = 9092$/m)
  const bad = await ran(['config', 'check'], { HERACLITUS_NODE_ID: '-1' })
  assert.equal(bad.code, 2)
  assert.match(bad.notes[0] ?? '', /HERACLITUS_NODE_ID = -1/)
})
