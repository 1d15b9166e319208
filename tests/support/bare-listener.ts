import { systemClock } from '../../src/base/clock.js'
import { silentLog } from '../../src/base/log.js'
import { systemRandom } from '../../src/base/random.js'
import type { ListenerOptions } from '../../src/server/listener.js'
import type { Cluster } from '../../src/state/cluster.js'
import type { Coordinator } from '../../src/state/groups/coordinator.js'
import { plainServerConfig } from './plain-server-config.js'
import { spoiledMemory } from './spoiled-memory.js'

/** What a Kafka port on this machine needs, with nothing behind it, for handlers that ask for nothing. */
export function bareListener(): Omit<ListenerOptions, 'handlers'> {
  return {
    cluster: {} as Cluster,
    groups: {} as Coordinator,
    config: (port) => ({ ...plainServerConfig, advertisedPort: port }),
    frames: spoiledMemory(),
    clock: systemClock,
    random: systemRandom,
    log: silentLog(),
    observer: { connectionOpened() {}, connectionRefused() {}, connectionClosed() {}, requestDone() {} },
    fatal: (error) => {
      throw error
    },
    host: '127.0.0.1',
    port: 0,
    connectionsMax: 10,
    idleTimeoutMs: 60_000,
  }
}
