/**
 * A process that works on a directory store until it is killed, started by `store-directory.test.ts`:
 * `race FOLDER KEYS` puts each of the keys and sends which it created; `write FOLDER NAME` creates object after
 * object and sends each key once its put has resolved.
 */
import { systemClock } from '../../src/base/clock.js'
import { silentLog } from '../../src/base/log.js'
import { systemRandom } from '../../src/base/random.js'
import { directoryStore } from '../../src/state/store/directory.js'

const [task, path = '', argument = ''] = process.argv.slice(2)
const store = await directoryStore({ path, clock: systemClock, random: systemRandom, log: silentLog() })

if (task === 'race') {
  const created: string[] = []
  const body = Buffer.alloc(1_000, `${process.pid} `)
  // All begin together.
  await new Promise((resolve) => {
    process.once('message', resolve)
    process.send?.('ready')
  })
  for (let key = 0; key < Number(argument); key++)
    if ((await store.putIfAbsent(`race/${key}`, [body])) === 'created') created.push(`race/${key}`)
  process.send?.(created)
  await store.close()
  process.disconnect()
} else {
  for (let i = 0; ; i++) {
    // Small and large ones: both ways of writing.
    const body = Buffer.alloc(i % 3 === 0 ? 600_000 : 5_000, `${argument} ${i} `)
    await store.putIfAbsent(`written/${argument}-${i}`, [body.subarray(0, 100), body.subarray(100)])
    process.send?.(i)
  }
}
