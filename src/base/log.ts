import { type Logger, pino } from 'pino'

export type Log = Logger

/** A JSON logger on standard error, so that standard output stays free for commands and the `stdout` sink. */
export function createLog(level: string): Log {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: 2, sync: true }))
}

/** A logger that drops everything, for tests. */
export function silentLog(): Log {
  return pino({ level: 'silent' })
}
