import { systemClock } from '../base/clock.js'
import { run } from './run.js'
import { type Terminal, writeTo } from './terminal.js'

/** Runs a command for people on this process's terminal; gives the exit code. */
export async function command(argv: readonly string[]): Promise<number> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // The first asks a command to come to its end; whoever asks twice does not want to wait.
      if (stop.signal.aborted) process.exit(1)
      stop.abort()
    })
  }
  // `heraclitus consume … | head -1`: nobody reads any more.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    stop.abort()
  })
  // The line of progress is overwritten, and gone before anything else is written.
  let isShown = false
  const erase = () => {
    if (isShown) process.stderr.write('\r\x1b[K')
    isShown = false
  }
  const write = writeTo(process.stdout, stop.signal)
  const terminal: Terminal = {
    stdin: process.stdin,
    out: (text) => {
      erase()
      return write(text)
    },
    note: (line) => {
      erase()
      process.stderr.write(`${line}\n`)
    },
    ...(process.stderr.isTTY
      ? {
          progress: (text: string) => {
            erase()
            process.stderr.write(text)
            isShown = true
          },
        }
      : {}),
    environment: process.env,
    signal: stop.signal,
    clock: systemClock,
  }
  return run(argv, terminal)
}
