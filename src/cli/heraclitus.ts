#!/usr/bin/env node
import { createRequire } from 'node:module'
import { systemClock } from '../base/clock.js'
import type * as Program from '../main.js'
import { none, parse, UsageError } from './arguments.js'
import { isStart, run } from './run.js'
import { type Terminal, writeTo } from './terminal.js'

const argv = process.argv.slice(2)

if (isStart(argv)) {
  process.exitCode = await start(argv[0] === 'start' ? argv.slice(1) : argv)
} else {
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
  process.exitCode = await run(argv, terminal)
}

/** Runs a gateway until it is told to stop; gives the exit code. */
async function start(options: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parse(options, { config: { type: 'string' } })
    none(positionals)
    const { main } = await program()
    return await main({ config: values.config, environment: process.env })
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`heraclitus: ${error.message} (see heraclitus --help)\n`)
    return 2
  }
}

/**
 * The program, loaded synchronously where Node.js can do that: of its files are 200, and to read each by turns of the
 * event loop takes a third longer.
 */
async function program(): Promise<typeof Program> {
  if (!process.features.require_module) return import('../main.js')
  return createRequire(import.meta.url)('../main.js')
}
