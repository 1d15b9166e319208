import { setTimeout as sleep } from 'node:timers/promises'
import type { Server } from './servers/server.js'
import { usageOf } from './usage.js'

/** A server that was started and then left alone. */
export interface StartUp {
  /** From the start of the process to its first answer to ApiVersions. */
  startMs: number
  idleRssMib: number
  /** CPU seconds per second without any client. */
  idleCpu: number
}

const settleMs = 2000
const idleMs = 3000

/** Starts a server some times, each on an empty directory, and looks at it while it idles. */
export async function startUps(start: () => Promise<Server>, times: number): Promise<StartUp[]> {
  const found: StartUp[] = []
  for (let time = 0; time < times; time++) {
    const server = await start()
    try {
      await sleep(settleMs)
      const before = usageOf(server.pid)
      await sleep(idleMs)
      const after = usageOf(server.pid)
      const idleCpu = ((after.cpuSeconds - before.cpuSeconds) * 1000) / idleMs
      found.push({ startMs: server.startMs ?? 0, idleRssMib: after.rssMib, idleCpu })
    } finally {
      await server.stop()
    }
  }
  return found
}
