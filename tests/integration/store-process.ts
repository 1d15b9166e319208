/**
 * A process that works on a directory store until it is killed, started by `store-directory.test.ts`:
 * `race FOLDER PLACE COUNT` puts so many objects and sends which it created; `write FOLDER PLACE` creates object after
 * object and sends the index of each once its put has resolved. PLACE is the folder of the keys.
 */
import { systemClock } from '../../src/base/clock.js'
import { silentLog } from '../../src/base/log.js'
import { systemRandom } from '../../src/base/random.js'
import { directoryStore } from '../../src/state/store/directory.js'

const [task, path = '', place = '', count = ''] = process.argv.slice(2)
const keyOf = (index: number) => `${place}/${String(index).padStart(20, '0')}`
const store = await directoryStore({ path, clock: systemClock, random: systemRandom, log: silentLog() })

if (task === 'race') {
  const created: string[] = []
  const body = Buffer.alloc(1_000, `${process.pid} `)
  // All begin together.
  await new Promise((resolve) => {
    process.once('message', resolve)
    process.send?.('ready')
  })
  for (let index = 0; index < Number(count); index++)
    if ((await store.putIfAbsent(keyOf(index), [body])) === 'created') created.push(keyOf(index))
  // To disconnect drops what has not been sent.
  await new Promise((resolve) => process.send?.(created, undefined, undefined, resolve))
  await store.close()
  process.disconnect()
} else {
  for (let i = 0; ; i++) {
    // Small and large ones: both ways of writing.
    const body = Buffer.alloc(i % 3 === 0 ? 600_000 : 5_000, `${place} ${i} `)
    await store.putIfAbsent(keyOf(i), [body.subarray(0, 100), body.subarray(100)])
    process.send?.(i)
  }
}
