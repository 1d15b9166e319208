import { existsSync } from 'node:fs'
import { createLog } from '../../base/log.js'
import { systemRandom } from '../../base/random.js'
import { loadConfig, type StorageConfig } from '../../config.js'
import type { ObjectStore } from '../../state/store/object-store.js'
import { openStore } from '../../state/store/open.js'
import { integer, parse, UsageError } from '../arguments.js'
import { type Inspection, inspectLedger } from '../ledger-inspection.js'
import { type Terminal, table } from '../terminal.js'

export const usage = `heraclitus ledger inspect [options]

Looks into the store that the configuration names, whether or not a gateway runs on it, and changes nothing: which
cluster it holds, its newest snapshot, what the state comes to, and the newest entries of the ledger.

  -n, --entries N        how many entries to list; 10 unless given
  --storage URL          another store than the configured one
  --config FILE          the configuration
  --json                 JSON, one object`

export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, {
    entries: { type: 'string', short: 'n', default: '10' },
    storage: { type: 'string' },
    config: { type: 'string' },
    json: { type: 'boolean', default: false },
  })
  if (positionals.length !== 1 || positionals[0] !== 'inspect') throw new UsageError('expected inspect')
  const entries = integer('entries', values.entries, 0) ?? 0
  const environment = values.storage
    ? { ...terminal.environment, HERACLITUS_STORAGE_URL: values.storage }
    : terminal.environment
  const { storage } = loadConfig({ path: values.config, environment })
  const log = createLog('error')
  if (storage.url === 'memory:') throw new UsageError('memory: can only be looked into by its own process')
  if (isMissingDirectory(storage.url)) return nothing(storage.url, terminal)
  const store = await open(storage, terminal, log)
  try {
    const found = await inspectLedger(store, entries, log)
    if (found === undefined) return nothing(storage.url, terminal)
    await terminal.out(values.json ? `${JSON.stringify(asObject(found, store))}\n` : asText(found, store))
    return 0
  } finally {
    await store.close()
  }
}

/** Opening a directory makes it: here nothing is to be made. */
function isMissingDirectory(url: string): boolean {
  return url.startsWith('file:') && !existsSync(url.slice('file:'.length).replace(/^\/\/(?=\/)/, ''))
}

function nothing(url: string, terminal: Terminal): number {
  terminal.note(`heraclitus: there is no cluster in ${url}`)
  return 1
}

function open(storage: StorageConfig, { clock }: Terminal, log: ReturnType<typeof createLog>): Promise<ObjectStore> {
  const { url, endpoint, region, forcePathStyle } = storage
  const s3 = {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
  }
  return openStore(url, { s3, clock, random: systemRandom, log })
}

function asObject({ state, ...found }: Inspection, store: ObjectStore) {
  const topics = [...state.topics.all()]
  return {
    store: store.url,
    ...found,
    topics: topics.length,
    partitions: topics.reduce((sum, topic) => sum + topic.partitionCount, 0),
    groups: state.groups.size,
    writers: [...state.writers.all()].length,
    commands: state.position,
  }
}

function asText(found: Inspection, store: ObjectStore): string {
  const { entries, ...facts } = asObject(found, store)
  const lines: [string, string | number][] = [
    ['store', facts.store],
    ['cluster', `${facts.clusterId}, format ${facts.format}`],
    ['entries', facts.lastSequence === 0 ? 'none' : `${facts.firstSequence} to ${facts.lastSequence}`],
    ['snapshot', facts.snapshotSequence === 0 ? 'none' : `after entry ${facts.snapshotSequence}`],
    ['writers', `${facts.writers} (process starts that wrote)`],
    ['state', `${facts.topics} topics, ${facts.partitions} partitions, ${facts.groups} groups`],
    ['', `${facts.commands} commands applied`],
  ]
  const rows = entries.map((entry) => [
    entry.sequence,
    new Date(entry.timeMs).toISOString(),
    entry.writer,
    entry.bytes,
    entry.recordBytes,
    entry.voidParts,
    Object.entries(entry.commands)
      .map(([kind, count]) => `${kind}×${count}`)
      .join(' '),
  ])
  const titles = ['entry', 'time', 'writer', 'bytes', 'record bytes', 'void', 'commands']
  const list = entries.length === 0 ? '' : `\n${table(titles, rows, false)}`
  return `${lines.map(([name, value]) => `${name.padEnd(10)}${value}\n`).join('')}${list}`
}
