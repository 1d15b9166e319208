import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Gateway, startGateway } from './gateway.js'
import { buildRoot } from './tools.js'

/** The `heraclitus` command, as processes, against a gateway of this build. */

const program = join(buildRoot, 'src/cli/heraclitus.js')
let gateway: Gateway

before(async () => {
  gateway = await startGateway()
})
after(() => gateway.stop())

interface Ran {
  code: number | null
  out: string
  err: string
}

/** Starts a command that talks to the gateway. */
function start(args: string[], env: Record<string, string> = {}): { child: ChildProcess; done: Promise<Ran> } {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH, HERACLITUS_KAFKA_PORT: String(gateway.port), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  return { child, done: once(child, 'close').then(([code]) => ({ code: code as number | null, out, err })) }
}

/** Runs a command to its end. */
async function ran(args: string[], input = '', env: Record<string, string> = {}): Promise<Ran> {
  const { child, done } = start(args, env)
  child.stdin?.end(input)
  return await done
}

/** As `ran`, for commands that are to succeed; gives the lines of standard output. */
async function lines(args: string[], input = ''): Promise<string[]> {
  const { code, out, err } = await ran(args, input)
  assert.equal(code, 0, `heraclitus ${args.join(' ')}: ${err}`)
  return out.split('\n').slice(0, -1)
}

test('a newcomer writes a record and sees it come back', async () => {
  const { code, err } = await ran(['produce', 'first', 'hello'])
  assert.equal(code, 0, err)
  assert.equal(err, '1 record written to first\n')
  assert.deepEqual(await lines(['consume', 'first', '-b', '-n', '1']), ['hello'])
})

test('keys, headers and every compression come back as they were written', async () => {
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
    const args = [
      'produce',
      `codec-${codec}`,
      '-z',
      codec,
      '--key-separator',
      ':',
      '-H',
      'h=1',
      '--partition',
      '3',
      '--json',
    ]
    const [written] = await lines(args, 'k1:v1\nk2:v:2\nno key\n')
    assert.deepEqual(JSON.parse(written ?? ''), { topic: `codec-${codec}`, partition: 3, offset: 0, records: 3 })
    const format = '%t-%p@%o [%k] %v %h'
    assert.deepEqual(await lines(['consume', `codec-${codec}`, '-b', '-n', '3', '-f', format]), [
      `codec-${codec}-3@0 [k1] v1 h=1`,
      `codec-${codec}-3@1 [k2] v:2 h=1`,
      `codec-${codec}-3@2 [] no key h=1`,
    ])
  }
})

test('many lines are written in order and counted', async () => {
  const values = Array.from({ length: 20_000 }, (_, i) => `value ${i}`)
  const { code, err } = await ran(['produce', 'many', '--partition', '0'], `${values.join('\n')}\n`)
  assert.equal(code, 0, err)
  assert.equal(err, '20000 records written to many\n')
  assert.deepEqual(await lines(['consume', 'many', '-b', '-n', '20000', '--partition', '0']), values)
  assert.deepEqual(await lines(['consume', 'many', '--partition', '0', '--offset', '19999', '-n', '1']), [
    'value 19999',
  ])
  assert.deepEqual(await lines(['consume', 'many', '--timeout-ms', '300']), [])
})

test('topics are created, described, listed and deleted', async () => {
  await lines(['topics', 'create', 'made', '-p', '3', '-c', 'retention.ms=3600000'])
  await lines(['produce', 'made', '--partition', '1', 'a', 'b'])
  const [described] = await lines(['topics', 'describe', 'made', '--json'])
  const { configs, partitions } = JSON.parse(described ?? '')
  assert.deepEqual(configs, { 'retention.ms': '3600000' })
  assert.deepEqual(partitions, [
    { partition: 0, first: 0, end: 0, records: 0 },
    { partition: 1, first: 0, end: 2, records: 2 },
    { partition: 2, first: 0, end: 0, records: 0 },
  ])
  assert.match((await lines(['topics', 'list'])).join('\n'), /^made +3$/m)
  const again = await ran(['topics', 'create', 'made'])
  assert.equal(again.code, 1)
  assert.match(again.err, /^heraclitus: create topic made: TOPIC_ALREADY_EXISTS/)
  await lines(['topics', 'delete', 'made'])
  const gone = await ran(['topics', 'describe', 'made'])
  assert.equal(gone.code, 1)
  assert.equal(gone.err, 'heraclitus: topic made: UNKNOWN_TOPIC_OR_PARTITION\n')
})

test('a group shares the partitions, commits on exit, and goes on where it was', async () => {
  await lines(['topics', 'create', 'shared', '-p', '4'])
  const consume = ['consume', 'shared', '-g', 'readers', '-b', '-f', '%p %v']
  const first = start(consume)
  const second = start(consume)
  await until(async () => {
    const { out } = await ran(['groups', 'describe', 'readers', '--json'])
    if (out === '') return false
    const { state, members } = JSON.parse(out)
    return state === 'Stable' && members.length === 2
  })
  const values = Array.from({ length: 40 }, (_, i) => `key${i}:value ${i}`)
  await lines(['produce', 'shared', '--key-separator', ':'], values.join('\n'))
  await until(async () => {
    const [described] = await lines(['topics', 'describe', 'shared', '--json'])
    const { partitions } = JSON.parse(described ?? '') as { partitions: { records: number }[] }
    return partitions.reduce((sum, { records }) => sum + records, 0) === 40
  })
  await sleep(1_500)
  first.child.kill('SIGINT')
  second.child.kill('SIGTERM')
  const [one, two] = await Promise.all([first.done, second.done])
  assert.deepEqual([one.code, two.code], [0, 0], one.err + two.err)
  const partitionsOf = ({ out }: Ran) =>
    new Set(
      out
        .split('\n')
        .slice(0, -1)
        .map((line) => line.split(' ')[0]),
    )
  const [ones, twos] = [partitionsOf(one), partitionsOf(two)]
  assert.ok([...ones].every((partition) => !twos.has(partition)))
  const read = (one.out + two.out)
    .split('\n')
    .slice(0, -1)
    .map((line) => line.slice(2))
  assert.equal(read.length, values.length)
  assert.deepEqual(new Set(read), new Set(values.map((value) => value.split(':')[1])))

  const [described] = await lines(['groups', 'describe', 'readers', '--json'])
  const group = JSON.parse(described ?? '') as { state: string; partitions: { lag: number }[] }
  assert.equal(group.state, 'Empty')
  assert.ok(group.partitions.every(({ lag }) => lag === 0))
  await lines(['produce', 'shared', 'last'])
  assert.deepEqual(await lines(['consume', 'shared', '-g', 'readers', '-n', '1']), ['last'])
  assert.match((await lines(['groups', 'list'])).join('\n'), /^readers +Empty +consumer$/m)
  await lines(['groups', 'delete', 'readers'])
  assert.doesNotMatch((await lines(['groups', 'list'])).join('\n'), /readers/)
})

test('a consumer whose output nobody reads any more ends quietly', async () => {
  await lines(['produce', 'piped', '--partition', '0'], 'x\n'.repeat(5_000))
  const { child, done } = start(['consume', 'piped', '-b'])
  child.stdout?.once('data', () => child.stdout?.destroy())
  const { code, err } = await done
  assert.equal(code, 0, err)
  assert.equal(err, '')
})

test('the ledger can be looked into while a gateway runs on it', async () => {
  await lines(['produce', 'looked', 'x'])
  const args = ['ledger', 'inspect', '--storage', gateway.storage, '-n', '2', '--json']
  const [line] = await lines(args)
  const found = JSON.parse(line ?? '')
  const health = (await (await fetch(`http://127.0.0.1:${gateway.metricsPort}/health`)).json()) as { clusterId: string }
  assert.equal(found.clusterId, health.clusterId)
  assert.equal(found.entries.length, 2)
  assert.ok(found.topics >= 1)
  assert.match((await lines(args.slice(0, -1))).join('\n'), new RegExp(`^cluster +${found.clusterId}, format 1$`, 'm'))
})

test('metrics tell what the gateway did', async () => {
  await lines(['produce', 'measured', 'x'])
  const text = await (await fetch(`http://127.0.0.1:${gateway.metricsPort}/metrics`)).text()
  for (const line of [
    /^heraclitus_connections_total [1-9]/m,
    /^heraclitus_requests_total\{api="Produce",.*error="NONE"\} [1-9]/m,
    /^heraclitus_ledger_entries_total\{by="self"\} [1-9]/m,
    /^heraclitus_store_requests_total\{operation="put",outcome="ok"\} [1-9]/m,
    /^heraclitus_topics [1-9]/m,
    /^process_resident_memory_bytes [1-9]/m,
  ])
    assert.match(text, line)
})

test('a start with a mistake in its configuration is one line and exit code 2', async () => {
  const { code, out, err } = await ran(['start'], '', { HERACLITUS_KAFKA_PORT: 'abc' })
  assert.deepEqual(
    { code, out, err },
    { code: 2, out: '', err: 'environment: HERACLITUS_KAFKA_PORT = "abc": expected an integer from 0 to 65535\n' },
  )
  const missing = await ran(['--config', '/nowhere/config.toml'])
  assert.equal(missing.code, 2)
  assert.match(missing.err, /^\/nowhere\/config\.toml: the configuration file can't be read: ENOENT.*\n$/)
})

test('SASL lets in who knows the password, and says so to who does not', async () => {
  const credentials = {
    HERACLITUS_SASL_ENABLED: 'true',
    HERACLITUS_SASL_PLAIN_USERNAME: 'admin',
    HERACLITUS_SASL_PLAIN_PASSWORD: 'admin-secret',
  }
  const secured = await startGateway({ env: credentials })
  try {
    const list = ['topics', 'list', '--bootstrap', secured.bootstrap]
    assert.equal((await ran(list, '', credentials)).code, 0)
    const wrong = await ran(list, '', { ...credentials, HERACLITUS_SASL_PLAIN_PASSWORD: 'guess' })
    assert.equal(wrong.code, 1)
    assert.match(wrong.err, /^heraclitus: authenticate with SASL\/PLAIN: SASL_AUTHENTICATION_FAILED/)
    assert.doesNotMatch(wrong.err + secured.logs(), /guess|admin-secret/)
    const without = await ran(list)
    assert.equal(without.code, 1)
    assert.match(without.err, /the gateway closed the connection/)
  } finally {
    await secured.stop()
  }
})

/** Waits until a condition holds. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, 'it did not come to pass within 20 s')
    await sleep(100)
  }
}
