import type { Health } from '../server/http/http-server.js'

/** What the process that supervises and those it started say to each other. */

export type ToProcess = { kind: 'report'; id: number }

export type FromProcess =
  /** It listens for clients. */
  { kind: 'listening' } | { kind: 'report'; id: number; report: ProcessReport }

/** What a process says of itself when it is asked. */
export interface ProcessReport {
  health: Health
  /** Its metrics in Prometheus' text format. */
  metrics: string
}
