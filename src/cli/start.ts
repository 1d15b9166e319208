import { main } from '../main.js'
import { none, parse, UsageError } from './arguments.js'

/** Runs a gateway until it is told to stop; gives the exit code. `options` are those after `start`. */
export async function start(options: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parse(options, { config: { type: 'string' } })
    none(positionals)
    return await main({ config: values.config, environment: process.env })
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`heraclitus: ${error.message} (see heraclitus --help)\n`)
    return 2
  }
}
