import { suitCompilersToServing } from '../base/compiler.js'
import { main } from '../main.js'
import { none, parse, UsageError } from './arguments.js'

/**
 * Runs a gateway until it is told to stop; gives the exit code. `options` are those after `start`; `whenServing` is called
 * once it serves clients.
 */
export async function start(options: readonly string[], whenServing = suitCompilersToServing): Promise<number> {
  try {
    const { values, positionals } = parse(options, { config: { type: 'string' } })
    none(positionals)
    return await main({ config: values.config, environment: process.env, whenServing })
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`heraclitus: ${error.message} (see heraclitus --help)\n`)
    return 2
  }
}
