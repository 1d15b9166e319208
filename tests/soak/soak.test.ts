import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { storages } from '../integration/storages.js'
import { lookFor, pythonProgram } from '../integration/tools.js'
import { runSoak, type SoakOptions } from './run.js'

const { skip } = await lookFor('confluent-kafka', pythonProgram)
const noS3 = storages.find(({ name }) => name === 'an S3 bucket')?.skip ?? false

describe('a short soak', { skip, concurrency: false }, () => {
  test('on a slow and faulty S3 server finds nothing wrong', { skip: noS3, timeout: 420_000 }, async (t) => {
    const seed = Date.now() % 1_000_000
    const { figures, violations, folder } = await soak({ seed, store: 's3', minutes: 0.75 })
    for (const [name, value] of figures) t.diagnostic(`${name}: ${value}`)
    assert.deepEqual(violations, [], `evidence in ${folder}`)
  })

  test('finds the loss of a single entry of the ledger', { timeout: 420_000 }, async () => {
    // What moves records into segments after the entry would be lost with it, while what it moved is gone: no reading then.
    const env = { HERACLITUS_STORAGE_COMPACT_AGE_MS: String(60 * 60_000) }
    const { violations, folder } = await soak({ seed: 1, store: 'file', minutes: 0.25, sabotage: loseAnEntry, env })
    assert.match(violations.join('\n'), /^lost: (orders|recent) \d+@\d+: .* was there; the end is \d+$/m)
    rmSync(folder, { recursive: true })
  })
})

const soak = (options: Pick<SoakOptions, 'seed' | 'store' | 'minutes' | 'sabotage' | 'env'>) =>
  runSoak({ instances: 3, rate: 200, keep: false, ...options }, () => {})

/**
 * Cuts the journal off before the newest entry of the ledger that has records of `orders`, and removes the snapshots that know
 * of it.
 */
async function loseAnEntry(folder: string): Promise<void> {
  const journal = join(folder, 'store/journal/ledger/0')
  const files = readdirSync(journal).filter((name) => name.endsWith('.journal'))
  const newest = files.sort().findLast((name) => readFileSync(join(journal, name)).includes('r1.0.'))
  assert.ok(newest !== undefined)
  const bytes = readFileSync(join(journal, newest))
  const record = bytes.lastIndexOf(bytes.subarray(8, 16), bytes.lastIndexOf('r1.0.'))
  truncateSync(join(journal, newest), record)
  for (const name of files) if (name > newest) rmSync(join(journal, name))
  const entry = Number(bytes.readBigUInt64BE(record + 16))
  const snapshots = join(folder, 'store/snapshots/0')
  if (!existsSync(snapshots)) return
  for (const name of readdirSync(snapshots)) if (Number(name) >= entry) rmSync(join(snapshots, name))
}
