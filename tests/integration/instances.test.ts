import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { ClientProcess, type ClientProgram, eventually, sharing } from './clients/driver.js'
import { externalBootstrap, type Gateway, startGateway } from './gateway.js'
import { findLoaders, Loads } from './loaders.js'
import { type SharedStorage, storages } from './storages.js'
import { nodeProgram } from './tools.js'

const loaders = await findLoaders()
const skip = externalBootstrap ? 'it needs two gateways on one storage' : loaders.skip

for (const kind of storages) {
  describe(`two instances on ${kind.name}`, { skip: skip || kind.skip, concurrency: false }, () => {
    instancesShare(kind)
  })
}

function instancesShare(kind: (typeof storages)[number]): void {
  let storage: SharedStorage
  let first: Gateway
  let second: Gateway
  const running: ClientProcess[] = []
  const start = (program: ClientProgram, gateway: Gateway) => {
    const client = new ClientProcess(program, gateway.bootstrap)
    running.push(client)
    return client
  }
  const startAgain = ({ port, metricsPort }: Gateway, nodeId: number) =>
    startGateway({ ...storage.options, nodeId, port, metricsPort })

  before(async () => {
    storage = await kind.make()
    first = await startGateway({ ...storage.options, nodeId: 1 })
    second = await startGateway({ ...storage.options, nodeId: 2 })
  })
  after(async () => {
    await Promise.all(running.map((client) => client.kill()))
    await Promise.all([first.stop(), second.stop()])
    await storage.remove()
  })

  for (const [name, program] of loaders.programs) {
    test(`what is written through one is at once there through the other (${name})`, { timeout: 60_000 }, async () => {
      const here = start(program, first)
      const there = start(program, second)
      const topic = `t-${randomUUID()}`
      await here.call('create', { topic, partitions: 2 })
      let count = 0
      for (const writer of [here, there, here, there]) {
        const records = Array.from({ length: 10 }, (_, n) => ({ partition: n % 2, key: null, value: `${count + n}` }))
        await writer.call('produce', { topic, compression: 'none', idempotent: true, records })
        count += records.length
        for (const reader of [here, there]) {
          const { latest } = await reader.call('offsets', { topic })
          assert.deepEqual(latest, { 0: count / 2, 1: count / 2 })
        }
      }
      const seen = await here.call('consume', { topic, count })
      assert.deepEqual(byPlace(seen.records), byPlace((await there.call('consume', { topic, count })).records))

      const group = `g-${randomUUID()}`
      const one = await here.call('groupConsume', { topic, group, count: 15 })
      const committed = (await here.call('committed', { topic, group })).offsets
      assert.deepEqual((await there.call('committed', { topic, group })).offsets, committed)
      const other = await there.call('groupConsume', { topic, group, count: count - 15 })
      const values = [...one.records, ...other.records].map(({ value }) => value)
      assert.equal(new Set(values).size, count, 'the group goes on where it stood')

      await here.call('deleteTopic', { topic })
      await there.call('create', { topic, partitions: 3 })
      for (const reader of [here, there]) {
        assert.deepEqual((await reader.call('offsets', { topic })).latest, { 0: 0, 1: 0, 2: 0 })
      }
      await Promise.all([here.kill(), there.kill()])
    })

    test(`members of one group sit at both (${name})`, { timeout: 90_000 }, async () => {
      const topic = `t-${randomUUID()}`
      const group = `g-${randomUUID()}`
      const members = [start(program, first), start(program, second), start(program, first), start(program, second)]
      const [admin] = members as [ClientProcess]
      await admin.call('create', { topic, partitions: 8 })
      for (const [index, member] of members.entries()) {
        await member.call('member', { topic, group, sessionTimeoutMs: 6_000 })
        await sharing(`${index + 1} members share`, members.slice(0, index + 1), 8)
      }
      for (const gateway of [first, second]) {
        const asking = start(program, gateway)
        let described = { state: '', members: 0 }
        await eventually(
          'the group is stable with four members',
          10_000,
          async () => {
            described = await asking.call('describeGroup', { group })
            return described.state.toLowerCase() === 'stable' && described.members === 4
          },
          () => described,
        )
        const records = Array.from({ length: 80 }, (_, n) => ({
          partition: n % 8,
          key: null,
          value: `${gateway.port} ${n}`,
        }))
        await asking.call('produce', { topic, compression: 'none', idempotent: true, records })
        await asking.kill()
      }
      const values = () => members.flatMap((member) => member.received.map(({ value }) => value))
      await eventually('every record is received', 20_000, () => values().length >= 160)
      assert.equal(new Set(values()).size, 160)
      assert.equal(values().length, 160, 'each by one member only')

      await members[3]?.kill()
      await sharing('three members share after one was killed', members.slice(0, 3), 8)
      await Promise.all(members.map((member) => member.kill()))
    })
  }

  // Not @platformatic/kafka 1.35: when the broker that was its coordinator is no longer in the metadata, an exception
  // that nobody can catch ends the process.
  test('kill -9 of one instance, then of the other: kafkajs goes on', { timeout: 120_000 }, async () => {
    const topic = `t-${randomUUID()}`
    const client = new ClientProcess(nodeProgram('kafkajs-client'), `${first.bootstrap},${second.bootstrap}`)
    running.push(client)
    const expected: string[] = []
    const roundTrip = async (round: string) => {
      const values = Array.from({ length: 20 }, (_, n) => `${round} ${n}`)
      const records = values.map((value, n) => ({ partition: n % 4, key: null, value }))
      await client.call('produce', { topic, compression: 'none', idempotent: false, records })
      expected.push(...values)
      const missing = () => {
        const seen = new Set(client.received.map(({ value }) => value))
        return expected.filter((value) => !seen.has(value)).length
      }
      await eventually(`${round}: all is received`, 45_000, () => missing() === 0, missing)
    }
    await client.call('create', { topic, partitions: 4 })
    await client.call('member', { topic, group: `g-${randomUUID()}`, sessionTimeoutMs: 6_000 })
    await roundTrip('both')
    await first.kill()
    await roundTrip('the second alone')
    first = await startAgain(first, 1)
    await second.kill()
    await roundTrip('the first alone')
    second = await startAgain(second, 2)
    await roundTrip('both again')
    await client.kill()
  })

  test('kill -9 of one instance: clients that know both go on, and nothing is lost', {
    timeout: 200_000,
  }, async (t) => {
    const loads = await Loads.start(loaders.programs, `${first.bootstrap},${second.bootstrap}`)
    try {
      await loads.advance()
      await first.kill()
      await loads.advance()
      first = await startAgain(first, 1)
      await loads.advance()
      await second.kill()
      await loads.advance()
      second = await startAgain(second, 2)
      const { records } = await loads.check()
      t.diagnostic(`${records} records`)
    } finally {
      await loads.kill()
    }
  })
}

function byPlace(records: { partition: number; offset: number; value: string | null }[]) {
  return new Map(records.map(({ partition, offset, value }) => [`${partition}@${offset}`, value]))
}
