import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../../base/clock.js'
import { silentLog } from '../../../base/log.js'
import { systemRandom } from '../../../base/random.js'
import { Flushes } from '../flushes.js'
import { Folders } from '../folders.js'
import { Pace } from '../pace.js'
import { Bodies } from './bodies.js'

function bodiesFor(t: TestContext): Bodies {
  const folder = fs.mkdtempSync(`${tmpdir()}/heraclitus-bodies-`)
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
  t.after(() => {
    bodies.close()
    fs.rmSync(folder, { recursive: true })
  })
  return bodies
}

test('a file that is left for the next while it is written stays open until that is flushed', async (t) => {
  const bodies = bodiesFor(t)
  await bodies.write(1, [Buffer.alloc(1)], 1)
  // It takes so long that the next file is begun meanwhile.
  const large = Buffer.alloc(64 * 2 ** 20, 'x')
  const underWay = bodies.write(1, [large], large.length)
  await bodies.write(2, [Buffer.alloc(1)], 1)
  const { name, position } = await underWay
  const read = await bodies.read(name, position, large.length, true)
  assert.ok(read?.equals(large))
})

test('bodies that are written at the same time share two files', async (t) => {
  const bodies = bodiesFor(t)
  // Too large for the event loop's own thread.
  const large = [1, 2, 3, 4, 5].map((byte) => Buffer.alloc(3 * 2 ** 20 + byte, byte))
  const places = await Promise.all(large.map((body) => bodies.write(1, [body], body.length)))
  assert.equal(new Set(places.map(({ name }) => name)).size, 2)
  for (const [index, body] of large.entries()) {
    const { name = '', position = 0 } = places[index] ?? {}
    const read = await bodies.read(name, position, body.length, true)
    assert.ok(read?.equals(body), `body ${index}`)
  }
})

test('the place of a body that nothing refers to is given to the next in its file', async (t) => {
  const bodies = bodiesFor(t)
  const [kept, given] = [
    await bodies.write(1, [Buffer.from('kept')], 4),
    await bodies.write(1, [Buffer.from('given back')], 10),
  ]
  bodies.giveBack(given, 10)
  assert.deepEqual(await bodies.write(1, [Buffer.from('next')], 4), given)
  // That is not the last one in its file any more.
  bodies.giveBack(kept, 4)
  const { name, position } = await bodies.write(1, [Buffer.from('last')], 4)
  assert.equal(name, given.name)
  assert.ok(position > given.position)
})

test('of many files those are closed that were used longest ago', async (t) => {
  const bodies = bodiesFor(t)
  const names: string[] = []
  for (let ordinal = 1; ordinal <= 34; ordinal++) names.push((await bodies.write(ordinal, [Buffer.alloc(1)], 1)).name)
  const open = names.slice(0, 32).map((name) => bodies.openNow(name))
  assert.equal(bodies.openNow(names[0] ?? ''), open[0])
  for (const name of names.slice(32)) bodies.openNow(name)
  const closed = open.map((file, index) => (file?.isClosed ? index : -1)).filter((index) => index >= 0)
  assert.deepEqual(closed, [1, 2])
  assert.notEqual(bodies.openNow(names[1] ?? ''), open[1])
  assert.equal(bodies.openNow('1-of-nobody'), undefined)
})
