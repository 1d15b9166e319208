import { printConfig } from '../../config/print.js'
import { loadConfig } from '../../config.js'
import { parse, UsageError } from '../arguments.js'
import type { Terminal } from '../terminal.js'

export const usage = `heraclitus config [check] [--config FILE]

Prints config.toml with every setting, its default and what it does. With check: reads the configuration as a start
would, and says what is wrong with it.`

export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, { config: { type: 'string' } })
  if (positionals.length === 0) {
    await terminal.out(printConfig())
    return 0
  }
  if (positionals.length > 1 || positionals[0] !== 'check') throw new UsageError('expected nothing, or check')
  const config = loadConfig({ path: values.config, environment: terminal.environment })
  for (const warning of config.warnings) terminal.note(warning)
  terminal.note(`${config.file ?? 'no configuration file'}: ok`)
  return 0
}
