import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { noMappedFiles } from '../support/maps-files.js'
import { externalBootstrap, type Gateway, startGateway } from './gateway.js'
import { batchOf, createTopic, fetch as fetchRecords, produce } from './wire/requests.js'
import { connect } from './wire/wire-client.js'

const skip = externalBootstrap ? 'it looks into a gateway of its own' : noMappedFiles()

async function metric(gateway: Gateway, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.metricsPort}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}

/** What is mapped of the files of large entries. */
const mappings = ({ pid }: Gateway) =>
  readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .filter((line) => line.includes('/large/'))

for (const mmap of [true, false])
  test(`records in large pieces are sent as they were written (mmap ${mmap})`, { skip, timeout: 60_000 }, async (t) => {
    // Nothing is kept in memory: all is read from the directory.
    const env = { HERACLITUS_STORAGE_CACHE_BYTES: '0', HERACLITUS_STORAGE_MMAP: String(mmap) }
    const gateway = await startGateway({ env })
    t.after(() => gateway.stop())
    const client = await connect(t, gateway.port)
    await createTopic(client, 'large')
    const values = Array.from({ length: 24 }, () => randomBytes(300_000).toString('base64'))
    const timestampMs = Date.now()
    for (const value of values)
      assert.equal((await produce(client, 'large', batchOf([value, 'small'], timestampMs))).errorCode, 0)

    const written = values.flatMap((value) => [value, 'small'])
    // Again and again, in pieces of several sizes: what one answer has filled in is not to be in another.
    const readAll = async () => {
      for (const partitionMaxBytes of [100_000, 1_000_000, 16_000_000])
        for (let offset = 0; offset < written.length; ) {
          const { errorCode, values: got } = await fetchRecords(client, 'large', offset, { partitionMaxBytes })
          assert.equal(errorCode, 0)
          assert.ok(got.length > 0)
          assert.deepEqual(got, written.slice(offset, offset + got.length))
          offset += got.length
        }
    }
    await readAll()
    if (!mmap) return assert.equal(await metric(gateway, 'heraclitus_store_mapped_bytes_total'), 0)

    // What the system has taken out of the page cache, as it may at any time, is read, and then is there.
    const bytes = values.reduce((sum, value) => sum + value.length, 0)
    while ((await metric(gateway, 'heraclitus_store_mapped_bytes_total')) <= bytes) await readAll()

    // A file that is mapped keeps its place on the disk when it is removed: none is mapped for long.
    while (mappings(gateway).length > 0) await sleep(50)
    assert.equal(await metric(gateway, 'heraclitus_store_mappings_bytes'), 0)
  })
