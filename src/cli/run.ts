import { CorruptObjectError, messageOf, StoreError, UnavailableError } from '../base/errors.js'
import { nearest } from '../base/nearest.js'
import { version } from '../base/version.js'
import { ConfigError } from '../config/problem.js'
import { UsageError } from './arguments.js'
import { ConnectionError, KafkaError } from './client/errors.js'
import type { Terminal } from './terminal.js'

interface Command {
  /** What `--help` prints. */
  readonly usage: string
  /** Gives the exit code. */
  run(argv: readonly string[], terminal: Terminal): Promise<number>
}

/** Loaded when they are called: a client command needs no object store, a start no client. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  produce: () => import('./commands/produce.js'),
  consume: () => import('./commands/consume.js'),
  topics: () => import('./commands/topics.js'),
  groups: () => import('./commands/groups.js'),
  ledger: () => import('./commands/ledger.js'),
  config: () => import('./commands/config.js'),
}

const usage = `heraclitus [start] [--config FILE]     start a gateway
heraclitus produce TOPIC [VALUE...]     write records
heraclitus consume TOPIC                print records
heraclitus topics list|describe|create|delete
heraclitus groups list|describe|delete
heraclitus ledger inspect|verify|copy   look into the store, check it, move it
heraclitus config                       print every setting with its default
heraclitus COMMAND --help               what a command takes
heraclitus --version`

/** Runs a command. Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '', ...rest] = argv
  try {
    if (name === '--version' || name === '-v') {
      await terminal.out(`${version}\n`)
      return 0
    }
    if (name === '--help' || name === '-h' || name === 'help') {
      await terminal.out(`${usage}\n`)
      return 0
    }
    const load = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (!load) throw new UsageError(`unknown command ${name}${suggestion(name)}`)
    const command = await load()
    if (rest.includes('--help') || rest.includes('-h')) {
      await terminal.out(`${command.usage}\n`)
      return 0
    }
    return await command.run(rest, terminal)
  } catch (error) {
    return report(error, name, terminal)
  }
}

/** What happens in the world, and whose message says it all. */
const expected = [ConnectionError, KafkaError, StoreError, CorruptObjectError, UnavailableError]

function report(error: unknown, name: string, terminal: Terminal): number {
  if (error instanceof ConfigError) {
    for (const problem of error.problems) terminal.note(problem)
    return 2
  }
  if (error instanceof UsageError) {
    const known = Object.hasOwn(commands, name) ? `heraclitus ${name} --help` : 'heraclitus --help'
    terminal.note(`heraclitus: ${error.message} (see ${known})`)
    return 2
  }
  if (error instanceof Error && error.name === 'AbortError') {
    terminal.note('heraclitus: stopped')
    return 1
  }
  const isExpected = expected.some((kind) => error instanceof kind)
  terminal.note(`heraclitus: ${isExpected || !(error instanceof Error) ? messageOf(error) : error.stack}`)
  return 1
}

function suggestion(name: string): string {
  const meant = nearest(name, ['start', ...Object.keys(commands)])
  return meant ? `; did you mean ${meant}?` : ''
}
