import assert from 'node:assert/strict'
import { changedRecords, problemsIn } from './acknowledged.js'
import { ClientProcess, type ClientProgram, eventually } from './clients/driver.js'
import { goProgram, javaProgram, lookFor, pythonProgram } from './tools.js'

/** One idempotent producer under way, with a group member that reads behind it. */
interface Loader {
  name: string
  topic: string
  client: ClientProcess
  reader: ClientProcess
}

export const partitionCount = 4
const recordsPerSecond = 1_000

/** The clients whose idempotent producers are sound across reconnections; at least one has to be here. */
export async function findLoaders(): Promise<{ programs: Map<string, ClientProgram>; skip: false | string }> {
  const looked = [
    { name: 'franz-go', found: await lookFor('franz-go', goProgram) },
    { name: 'librdkafka', found: await lookFor('confluent-kafka', pythonProgram) },
    { name: 'Java', found: await lookFor('kafka-clients 4.3.1', () => javaProgram('4.3.1')) },
  ]
  const programs = new Map<string, ClientProgram>()
  for (const { name, found } of looked) if (found.tool) programs.set(name, found.tool)
  const reasons = looked.map(({ found }) => found.skip).filter((reason) => reason !== false)
  return { programs, skip: programs.size === 0 ? reasons.join('; ') : false }
}

export interface LoadOptions {
  /** Begins the names of topics: loads of one cluster differ in it. */
  purpose?: string
  /** Of the readers' group members. */
  sessionTimeoutMs?: number
}

/** Loads of several client libraries at once, each on its own topic, watched from the first record to the last. */
export class Loads {
  readonly #loaders: Loader[] = []
  readonly #bootstrap: string
  readonly #options: Required<LoadOptions>

  private constructor(bootstrap: string, options: LoadOptions) {
    this.#bootstrap = bootstrap
    this.#options = { purpose: 'load', sessionTimeoutMs: 10_000, ...options }
  }

  /** Starts producing and reading with each of the programs. */
  static async start(
    programs: Map<string, ClientProgram>,
    bootstrap: string,
    options: LoadOptions = {},
  ): Promise<Loads> {
    const loads = new Loads(bootstrap, options)
    try {
      for (const [name, program] of programs) await loads.#add(name, program)
    } catch (error) {
      await loads.kill()
      throw error
    }
    return loads
  }

  async #add(name: string, program: ClientProgram): Promise<void> {
    const { purpose, sessionTimeoutMs } = this.#options
    const topic = `${purpose}-${name}`
    const loader = {
      name,
      topic,
      client: new ClientProcess(program, this.#bootstrap),
      reader: new ClientProcess(program, this.#bootstrap),
    }
    this.#loaders.push(loader)
    await loader.client.call('create', { topic, partitions: partitionCount })
    await loader.reader.call('member', { topic, group: `group-${topic}`, sessionTimeoutMs })
    await loader.client.call('load', { topic, partitions: partitionCount, recordsPerSecond, valueBytes: 100 })
    await eventually(`${name} reads what it writes`, 30_000, () => loader.reader.received.length > 0)
  }

  /** Waits until every reader has been given a good many records that it had not when this was called. */
  async advance(): Promise<void> {
    for (const { name, reader, client } of this.#loaders) {
      const before = reader.received.length
      await eventually(`${name} goes on`, 60_000, () => reader.received.length > before + recordsPerSecond / 10).catch(
        (error: Error) => {
          throw new Error(`${error.message}\nproducer:\n${client.log()}\nreader:\n${reader.log()}`, { cause: error })
        },
      )
    }
  }

  /** Stops producing, lets everything arrive, and compares what was promised with what is there. */
  async check(): Promise<{ records: number }> {
    let total = 0
    for (const { name, topic, client, reader } of this.#loaders) {
      const { partitions: sent, errors } = await client.call('loadStop', {}, 90_000)
      assert.deepEqual(errors, [], `${name}: no record is given up`)
      const numbers = Object.values(sent).flatMap(({ offsets }) => offsets)
      assert.ok(!numbers.includes(-1), `${name}: in the end every record is acknowledged`)
      const { earliest, latest } = await client.call('offsets', { topic })
      assert.ok(Object.values(earliest).every((offset) => offset === 0))
      const count = Object.values(latest).reduce((sum, offset) => sum + offset, 0)
      assert.ok(count > recordsPerSecond, `${name} wrote something: ${count}`)
      const { records: log } = await client.call('consume', { topic, count })
      assert.deepEqual(problemsIn(sent, log).slice(0, 20), [], `${name}: every acknowledged record, once, in order`)
      await eventually(
        `${name}'s group has been given every record`,
        45_000,
        () => new Set(reader.received.map(({ partition, offset }) => `${partition}@${offset}`)).size >= count,
        () => ({ received: reader.received.length, count, log: reader.log() }),
      )
      assert.deepEqual(changedRecords(reader.received, log).slice(0, 20), [], `${name}: what was read stays as it was`)
      await reader.call('leave', {})
      const { offsets } = await client.call('committed', { topic, group: `group-${topic}` })
      assert.deepEqual(offsets, latest, `${name}: the group has committed all`)
      total += count
    }
    return { records: total }
  }

  /** Ends the client programs, however they are. */
  async kill(): Promise<void> {
    await Promise.all(this.#loaders.flatMap(({ client, reader }) => [client.kill(), reader.kill()]))
  }
}
