import { setImmediate as turn } from 'node:timers/promises'
import { systemClock } from '../../src/base/clock.js'
import { silentLog } from '../../src/base/log.js'
import { systemRandom } from '../../src/base/random.js'
import { handlers } from '../../src/server/handlers/table.js'
import { listen } from '../../src/server/listener.js'
import type { Cluster } from '../../src/state/cluster.js'
import type { Coordinator } from '../../src/state/groups/coordinator.js'
import { spoiledMemory } from '../support/spoiled-memory.js'

/*
 * One of several processes, which opens the Kafka port given to it and does not look at what comes for a while: then that
 * it listens, and the first connection, come together.
 */

const [port] = process.argv.slice(2)
const blindMs = 500

const listening = listen({
  cluster: {} as Cluster,
  groups: {} as Coordinator,
  config: (port) => ({
    nodeId: 1,
    advertisedHost: 'localhost',
    advertisedPort: port,
    autoCreateTopics: false,
    defaultPartitions: 1,
    defaultReplicationFactor: 1,
    saslEnabled: false,
    saslPlainUsername: undefined,
    saslPlainPassword: undefined,
  }),
  frames: spoiledMemory(),
  clock: systemClock,
  random: systemRandom,
  log: silentLog(),
  observer: { connectionOpened() {}, connectionRefused() {}, connectionClosed() {}, requestDone() {} },
  handlers,
  fatal: (error) => {
    throw error
  },
  host: '127.0.0.1',
  port: Number(port),
  connectionsMax: 10,
  idleTimeoutMs: 60_000,
})
// By then the one that listens has been asked to.
await turn()
const since = systemClock.monotonic()
while (systemClock.monotonic() - since < blindMs);
await listening
