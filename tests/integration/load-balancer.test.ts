import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ClientProcess, type ClientProgram, eventually } from './clients/driver.js'
import { ExampleCluster } from './example-cluster.js'
import { externalBootstrap } from './gateway.js'
import { findLoaders, Loads } from './loaders.js'
import { type S3Server, startS3Server } from './s3-server.js'
import { SteadyProducer } from './steady-producer.js'
import { haproxyProgram, lookFor, nodeProgram } from './tools.js'

/**
 * The example of docs/deployment.md, three instances behind HAProxy on an S3 server, under the load of real clients
 * that know the balancer's address alone.
 */

const loaders = await findLoaders()
const haproxy = await lookFor('HAProxy', haproxyProgram)
const s3 = await lookFor('an S3 server', async () => {
  const server = await startS3Server()
  if (server.skip !== undefined) throw new Error(server.skip)
  return server
})
const skip = externalBootstrap ? 'it needs instances of its own' : haproxy.skip || s3.skip || loaders.skip
after(() => s3.tool?.stop())

/** Longer than in the example: the machine is busy with the tests. */
const delayMs = 8_000

describe('three instances behind HAProxy on S3', { skip, concurrency: false }, () => {
  let cluster: ExampleCluster
  before(async () => {
    const { bucket, environment } = s3.tool as S3Server
    cluster = await ExampleCluster.start(3, {
      ...environment,
      HERACLITUS_STORAGE_URL: `s3://${bucket}/example`,
      HERACLITUS_SHUTDOWN_DELAY_MS: String(delayMs),
    })
  })
  after(() => cluster?.stop())

  test('one after the other is replaced, and clients notice no more than a reconnection', {
    timeout: 300_000,
  }, async (t) => {
    const topic = 'steady'
    const refused: string[] = []
    const ending: { kill(): Promise<void> }[] = []
    const client = (program: ClientProgram) => {
      const started = new ClientProcess(program, cluster.bootstrap)
      ending.push(started)
      return started
    }
    try {
      // Long enough for a machine that is busy with the tests.
      const sessionTimeoutMs = 30_000
      const loads = await Loads.start(loaders.programs, cluster.bootstrap, { purpose: 'replaced', sessionTimeoutMs })
      ending.push(loads)
      const member = client(nodeProgram('kafkajs-client'))
      await member.call('create', { topic, partitions: 1 })
      await member.call('member', { topic, group: 'steady-readers', sessionTimeoutMs })
      const steady = await SteadyProducer.start(cluster.bootstrap, topic)
      ending.push({ kill: () => steady.stop() })
      await loads.advance()
      for (const n of [1, 2, 3]) {
        const { exit, log } = await cluster.drain(n, async () => {
          // The balancer turns away from it before it closes anything.
          await eventually(`no more clients for ${n}`, delayMs - 500, async () => (await cluster.status(n)) === 'DOWN')
          refused.push(...(await refusals(n)))
        })
        assert.equal(exit, 0, log)
        await cluster.add(n)
        await loads.advance()
      }
      await steady.stop()
      const { records } = await loads.check()

      assert.deepEqual(steady.errors, [])
      const count = steady.offsets.length
      const [program] = loaders.programs.values()
      const reader = client(program as ClientProgram)
      const { records: log } = await reader.call('consume', { topic, count })
      assert.deepEqual(
        log.map(({ offset, value }) => [offset, value]),
        steady.offsets.map((offset, number) => [offset, String(number)]),
        'also without idempotence every record is there once, where it was acknowledged',
      )
      assert.equal((await reader.call('offsets', { topic })).latest[0], count)
      await eventually("kafkajs' group member has them all", 20_000, () => member.received.length >= count)
      for (const n of [1, 2, 3]) refused.push(...(await refusals(n)))
      assert.deepEqual(refused, [], 'nobody was answered with an error')
      assert.deepEqual(complaints(cluster.logs()), [])
      t.diagnostic(`${records} records of ${[...loaders.programs.keys()].join(', ')}; ${count} one by one of kafkajs`)
      t.diagnostic(`members that joined anew meanwhile: ${await joins()}`)
    } finally {
      await Promise.all(ending.map((one) => one.kill()))
    }
  })

  /** How often a member joined at one of the instances that run now. */
  async function joins(): Promise<number> {
    const counts = await Promise.all(
      [1, 2, 3].map(async (n) =>
        [...(await cluster.metrics(n)).matchAll(/^heraclitus_requests_total.*"JoinGroup".* (\d+)$/gm)].map(([, c]) =>
          Number(c),
        ),
      ),
    )
    return counts.flat().reduce((sum, one) => sum + one, 0)
  }

  /**
   * How often instance `n` answered these with an error so far. But for commits that came before news of the last one,
   * which is at an instance that closed since (docs/decisions/0011): clients repeat them, and in the end the group has
   * committed all (`Loads.check`).
   */
  async function refusals(n: number): Promise<string[]> {
    const text = await cluster.metrics(n)
    assert.match(text, /^# TYPE heraclitus_requests_total counter$/m)
    return [...text.matchAll(/^heraclitus_requests_total\{(.+)\} (\d+)$/gm)]
      .filter(([, labels = '']) => /api="(Produce|Fetch|OffsetCommit)"/.test(labels) && !/error="NONE"/.test(labels))
      .filter(([, labels = '']) => !/api="OffsetCommit".*error="COORDINATOR_LOAD_IN_PROGRESS"/.test(labels))
      .map(([line]) => line)
  }

  test('instances are killed, drained and added: clients go on, and nothing acknowledged is lost', {
    timeout: 300_000,
  }, async (t) => {
    const loads = await Loads.start(loaders.programs, cluster.bootstrap, { purpose: 'changing' })
    try {
      await loads.advance()
      await cluster.kill(1)
      await loads.advance()
      await cluster.add(4)
      await cluster.kill(2)
      await loads.advance()
      await Promise.all([cluster.add(1), cluster.drain(3)])
      await loads.advance()
      await cluster.kill(4)
      await cluster.add(2)
      await loads.advance()
      const { records } = await loads.check()
      t.diagnostic(`${records} records`)
    } finally {
      await loads.kill()
    }
  })
})

/** What instances logged that should not be: errors and worse. */
function complaints(logs: string): string[] {
  return logs
    .split('\n')
    .filter((line) => /"level":"?(error|fatal|50|60)"?/.test(line))
    .slice(0, 10)
}
