import { parseArgs } from 'node:util'
import { columns } from './figures.js'
import { runSoak } from './run.js'

/**
 * `npm run soak -- [--minutes N] [--instances N] [--seed N] [--store s3|file] [--rate N] [--keep]`: real gateway processes
 * on one store, real clients, and a nemesis; see docs/soak.md. Prints what happened and what was wrong, and exits with 1
 * if anything was, with 2 if the command line is.
 */
const say = (text: string) => void process.stdout.write(`${text}\n`)

try {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '20' },
      instances: { type: 'string', default: '3' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      store: { type: 'string', default: 's3' },
      rate: { type: 'string', default: '400' },
      keep: { type: 'boolean', default: false },
    },
  })
  const { store } = values
  if (store !== 's3' && store !== 'file') throw new TypeError(`--store: expected s3 or file, not '${store}'`)
  const options = {
    minutes: number('minutes', values.minutes, 0.1),
    instances: number('instances', values.instances, 1),
    seed: number('seed', values.seed, 0),
    rate: number('rate', values.rate, 20),
    store,
    keep: values.keep,
  } as const
  process.exitCode = await soak(options)
} catch (error) {
  if (!(error instanceof TypeError)) throw error
  process.stderr.write(`soak: ${error.message}\n`)
  process.exitCode = 2
}

async function soak(options: Parameters<typeof runSoak>[0]): Promise<number> {
  // So that whatever runs is ended by the handlers of the exit.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const { figures, violations, folder } = await runSoak(options, say)
  say(`\n${columns(figures)}\n`)
  for (const violation of violations) say(`VIOLATION ${violation}`)
  say(violations.length === 0 ? 'Nothing was wrong.' : `What was wrong is above; store, logs and figures: ${folder}`)
  return violations.length === 0 ? 0 : 1
}

function number(name: string, text: string, least: number): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < least)
    throw new TypeError(`--${name}: expected a number of at least ${least}, not '${text}'`)
  return value
}
