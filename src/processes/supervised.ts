import { messageOf } from '../base/errors.js'
import type { HttpServer, OperatorsView } from '../server/http/http-server.js'
import type { FromProcess, ToProcess } from './messages.js'

/** How a supervised process reaches the one that supervises it: `process`, with an IPC channel. */
export interface Channel {
  send?: ((message: FromProcess) => unknown) | undefined
  on(event: 'message', listener: (message: ToProcess) => void): unknown
  off(event: 'message', listener: (message: ToProcess) => void): unknown
}

/**
 * Answers the supervisor's questions, in the place of an HTTP server of this process's own: operators see all
 * processes at one port.
 */
export function reportToSupervisor(channel: Channel, view: OperatorsView): HttpServer {
  const listener = (message: ToProcess) => {
    if (message.kind === 'report') void report(message.id)
  }
  const report = async (id: number) => {
    try {
      const [health, metrics] = [await view.health(), await view.metrics.text()]
      channel.send?.({ kind: 'report', id, report: { health, metrics } })
    } catch (error) {
      const reason = `its state can't be told: ${messageOf(error)}`
      channel.send?.({ kind: 'report', id, report: { health: { reason, details: {} }, metrics: '' } })
    }
  }
  channel.on('message', listener)
  return {
    port: 0,
    close: async () => {
      channel.off('message', listener)
    },
  }
}
