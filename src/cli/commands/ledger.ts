import { integer, parse, UsageError } from '../arguments.js'
import { copy } from '../ledger/copy.js'
import { inspect } from '../ledger/inspect.js'
import { openChosenStore } from '../ledger/store.js'
import { verify } from '../ledger/verify.js'
import type { Terminal } from '../terminal.js'

export const usage = `heraclitus ledger inspect | verify | copy [options]

Works on the store itself, whether or not gateways run on it.

  inspect                which cluster it is, its newest snapshot, what the state comes to, the newest entries
    -n, --entries N        how many entries to list; 10 unless given
    --ledger N             which ledger, where there are several; 0 unless given
  verify                 checks every object, every reference and every offset; changes nothing. Exit code 0: all is
                         sound; 1: there is damage, each on a line that names the object, or it could not be checked
    --quick                look whether records are there, but don't read them
  copy --to URL          copies the whole cluster, with its id, to another store, which is to be empty, as it is at some
                         moment; gateways may go on meanwhile. Broken off, it goes on when it is run again
    --from URL             another store than the configured one
    --from-endpoint URL    s3: only; the configured endpoint unless given
    --to-endpoint URL      the same

  --storage URL          inspect and verify: another store than the configured one
  --config FILE          the configuration
  --json                 JSON, one object`

/** The options of each action, beside those that all have. */
const actions: Readonly<Record<string, readonly string[]>> = {
  inspect: ['entries', 'ledger', 'storage'],
  verify: ['quick', 'storage'],
  copy: ['from', 'to', 'from-endpoint', 'to-endpoint'],
}

export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, {
    entries: { type: 'string', short: 'n' },
    ledger: { type: 'string' },
    quick: { type: 'boolean' },
    storage: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    'from-endpoint': { type: 'string' },
    'to-endpoint': { type: 'string' },
    config: { type: 'string' },
    json: { type: 'boolean' },
  })
  const [action = '', ...rest] = positionals
  const options = Object.hasOwn(actions, action) ? actions[action] : undefined
  if (options === undefined || rest.length > 0) throw new UsageError(`expected ${Object.keys(actions).join(', ')}`)
  for (const option of Object.keys(values))
    if (!['config', 'json', ...options].includes(option)) throw new UsageError(`${action} has no --${option}`)

  const json = values.json ?? false
  const ledger = integer('ledger', values.ledger, 0) ?? 0
  const entries = integer('entries', values.entries, 0) ?? 10
  const { config } = values
  const source = { url: values.from ?? values.storage, endpoint: values['from-endpoint'], config, readOnly: true }
  if (action === 'copy' && values.to === undefined) throw new UsageError('copy: expected --to URL')
  const store = await openChosenStore(source, terminal)
  try {
    if (action === 'inspect') return await inspect(store, { ledger, entries, json }, terminal)
    if (action === 'verify') return await verify(store, { quick: values.quick ?? false, json }, terminal)
    const target = { url: values.to, endpoint: values['to-endpoint'], config, readOnly: false }
    return await copy(store, target, json, terminal)
  } finally {
    await store.close()
  }
}
