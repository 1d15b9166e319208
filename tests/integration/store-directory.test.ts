import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/base/clock.js'
import { silentLog } from '../../src/base/log.js'
import { systemRandom } from '../../src/base/random.js'
import { directoryStore } from '../../src/state/store/directory.js'

const surroundings = { clock: systemClock, random: systemRandom, log: silentLog() }

function start(...args: string[]): ChildProcess {
  return fork(new URL('./store-process.js', import.meta.url), args)
}

/** Folders whose objects are files, and one whose objects are records of a journal. */
const places = [
  { place: 'files', objects: 150 },
  // So many that a process is held up in the midst of a look, while others go on.
  { place: 'ledger/0', objects: 10_000 },
] as const

for (const { place, objects } of places) {
  test(`of four processes that put the same keys in ${place} exactly one creates each`, async () => {
    const path = fs.mkdtempSync(`${tmpdir()}/heraclitus-processes-`)
    const processes = Array.from({ length: 4 }, () => start('race', path, place, String(objects)))
    await Promise.all(processes.map((racer) => once(racer, 'message')))
    const results = processes.map(async (racer) => {
      const [created] = (await once(racer, 'message')) as [string[]]
      return { pid: racer.pid, created }
    })
    const ended = processes.map((racer) => once(racer, 'exit'))
    for (const racer of processes) racer.send('go')

    const winners = new Map<string, number | undefined>()
    for (const { pid, created } of await Promise.all(results)) {
      for (const key of created) {
        assert.ok(!winners.has(key), `${key} was created twice`)
        winners.set(key, pid)
      }
    }
    await Promise.all(ended)
    assert.equal(winners.size, objects)
    const store = await directoryStore({ path, ...surroundings })
    for (const [key, pid] of winners) assert.ok((await store.get(key))?.bytes.toString().startsWith(`${pid} `), key)
    await store.close()
    fs.rmSync(path, { recursive: true })
  })

  test(`a process killed while it writes to ${place} leaves every acknowledged object whole, and no part of another`, async () => {
    const path = fs.mkdtempSync(`${tmpdir()}/heraclitus-killed-`)
    let acknowledged = 0
    const folders = Array.from({ length: 6 }, (_, round) => (place === 'files' ? `files${round}` : `ledger/${round}`))
    // Two rounds share a folder: the second goes on behind what was left of the first.
    for (const [round, folder] of [...folders, ...folders].entries()) {
      const writer = start('write', path, folder)
      const ended = once(writer, 'exit')
      let last = -1
      writer.on('message', (index: number) => {
        last = index
      })
      await once(writer, 'message')
      await sleep(20 + round * 17)
      writer.kill('SIGKILL')
      await ended

      const store = await directoryStore({ path, ...surroundings })
      const found = new Set<number>()
      for await (const { key } of store.list(`${folder}/`)) {
        const index = Number(key.slice(key.lastIndexOf('/') + 1))
        found.add(index)
        const body = Buffer.alloc(index % 3 === 0 ? 600_000 : 5_000, `${folder} ${index} `)
        assert.deepEqual((await store.get(key))?.bytes, body, key)
      }
      for (let index = 0; index <= last; index++) assert.ok(found.has(index), `${folder} ${index}`)
      acknowledged += last + 1
      await store.close()
    }
    assert.ok(acknowledged > 12, `${acknowledged} objects were acknowledged`)
    fs.rmSync(path, { recursive: true })
  })
}
