import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { systemClock } from '../../../base/clock.js'
import { silentLog } from '../../../base/log.js'
import { systemRandom } from '../../../base/random.js'
import { Flushes } from '../flushes.js'
import { Folders } from '../folders.js'
import { Pace } from '../pace.js'
import { Bodies } from './bodies.js'

test('a file that is left for the next while it is written stays open until that is flushed', async (t) => {
  const folder = fs.mkdtempSync(`${tmpdir()}/heraclitus-bodies-`)
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const flushes = new Flushes()
  const bodies = new Bodies({
    folder,
    folders: new Folders(folder, undefined, flushes),
    flushes,
    pace: new Pace(systemClock),
    isDurable: true,
    clock: systemClock,
    random: systemRandom,
    log: silentLog(),
  })
  await bodies.write(1, [Buffer.alloc(1)], 1)
  // It takes so long that the next file is begun meanwhile.
  const large = Buffer.alloc(64 * 2 ** 20, 'x')
  const underWay = bodies.write(1, [large], large.length)
  await bodies.write(2, [Buffer.alloc(1)], 1)
  const { name, position } = await underWay
  const read = await bodies.read(name, position, large.length, true)
  assert.ok(read?.equals(large))
  bodies.close()
})
