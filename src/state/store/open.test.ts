import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { relative } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../base/clock.js'
import { silentLog } from '../../base/log.js'
import { systemRandom } from '../../base/random.js'
import { openStore } from './open.js'

const options = { fsync: false, clock: systemClock, random: systemRandom, log: silentLog() }

test('the scheme chooses the store', async () => {
  const path = `${fs.mkdtempSync(`${tmpdir()}/heraclitus-open-`)}/new/folder`
  for (const url of [`file:${path}`, `file://${path}`, `file:./${relative(process.cwd(), path)}`]) {
    const store = await openStore(url, options)
    assert.equal(store.url, `file:${path}`)
    assert.equal(store.kind, 'local')
    await store.putIfAbsent('a', [])
    assert.ok(fs.existsSync(`${path}/a`))
    await store.close()
  }
  fs.rmSync(path, { recursive: true })
  assert.equal((await openStore('memory:', options)).url, 'memory:')
})

test('a bad URL is refused with what was expected', async () => {
  for (const url of ['', 'data', '/var/lib', 'http://bucket', 'memory:x', 's3:bucket', 'S3://bucket'])
    await assert.rejects(openStore(url, options), /bad storage URL .*expected memory:, file:<path> or s3:/, url)
  for (const url of ['file:', 'file://', 'file://relative/path'])
    await assert.rejects(openStore(url, options), /expected file:\.\//, url)
  await assert.rejects(openStore('s3://Bad Bucket', options), /expected s3:\/\/<bucket>/)
})
