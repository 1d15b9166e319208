import { setImmediate as turn } from 'node:timers/promises'
import { systemClock } from '../../src/base/clock.js'
import { handlers } from '../../src/server/handlers/table.js'
import { listen } from '../../src/server/listener.js'
import { bareListener } from '../support/bare-listener.js'

/*
 * One of several processes, which opens the Kafka port given to it and does not look at what comes for a while: then that
 * it listens, and the first connection, come together.
 */

const [port] = process.argv.slice(2)
const blindMs = 500

const listening = listen({ ...bareListener(), handlers, port: Number(port) })
// By then the one that listens has been asked to.
await turn()
const since = systemClock.monotonic()
while (systemClock.monotonic() - since < blindMs);
await listening
