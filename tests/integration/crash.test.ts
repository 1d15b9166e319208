import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../src/base/random.js'
import { externalBootstrap, type GatewayOptions, startGateway } from './gateway.js'
import { findLoaders, Loads } from './loaders.js'
import { storages } from './storages.js'

/** How often, and the seed of the moments: HERACLITUS_TEST_KILLS, HERACLITUS_TEST_SEED. */
const kills = Number(process.env.HERACLITUS_TEST_KILLS ?? 10)
const seed = Number(process.env.HERACLITUS_TEST_SEED ?? Date.now() % 1_000_000)

const loaders = await findLoaders()
const skip = externalBootstrap ? 'it kills the gateway, so it has to start it' : loaders.skip

describe(`kill -9 under load, ${kills} times over`, { skip, concurrency: false }, () => {
  for (const kind of storages) {
    test(`on ${kind.name} every acknowledged record is there once, in order, and nothing else is`, {
      skip: kind.skip,
      timeout: 240_000,
    }, async (t) => {
      t.diagnostic(`seed ${seed}`)
      const storage = await kind.make()
      t.after(() => storage.remove())
      t.diagnostic(await killUnderLoad(storage.options))
    })
  }
})

/** Starts loads, kills the gateway and starts it anew at random moments, and checks that the promises were kept. */
async function killUnderLoad(options: GatewayOptions): Promise<string> {
  const random = seededRandom(seed)
  let gateway = await startGateway(options)
  const again = { ...options, port: gateway.port, metricsPort: gateway.metricsPort }
  const complaints: string[] = []
  let loads: Loads | undefined
  try {
    loads = await Loads.start(loaders.programs, gateway.bootstrap)
    for (let kill = 0; kill < kills; kill++) {
      await sleep(200 + random.next() * 1_500)
      await gateway.kill()
      complaints.push(...errorsIn(gateway.logs()))
      await sleep(random.next() * 500)
      gateway = await startGateway(again)
      // Now and then it dies again before anybody is back.
      if (random.next() < 0.7) await loads.advance()
    }
    const { records } = await loads.check()
    complaints.push(...errorsIn(gateway.logs()))
    assert.deepEqual(complaints, [], 'no instance has logged an error')
    return `${records} records, ${kills} kills`
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}\n${gateway.logs().slice(-5_000)}`, { cause: error })
  } finally {
    await loads?.kill()
    await gateway.kill()
  }
}

/** Log lines of level error and fatal. */
function errorsIn(log: string): string[] {
  return log.split('\n').filter((line) => /"level":[56]0/.test(line))
}
