import { createLog } from '../../base/log.js'
import { readIdentity } from '../../state/ledger/identity.js'
import type { ObjectStore } from '../../state/store/object-store.js'
import { UsageError } from '../arguments.js'
import { type Terminal, table } from '../terminal.js'
import { type Inspection, inspectLedger } from './inspection.js'
import { noCluster } from './store.js'

/** Prints what a store holds; gives the exit code. */
export async function inspect(
  store: ObjectStore,
  options: { ledger: number; entries: number; json: boolean },
  terminal: Terminal,
): Promise<number> {
  const identity = await readIdentity(store)
  if (identity === undefined) return await noCluster(store, terminal)
  const { ledgers } = identity
  if (options.ledger >= ledgers)
    throw new UsageError(`--ledger ${options.ledger}: expected 0 to ${ledgers - 1}, as the cluster has ${ledgers}`)
  const found = await inspectLedger(store, options.ledger, options.entries, createLog('error'))
  if (found === undefined) return await noCluster(store, terminal)
  await terminal.out(options.json ? `${JSON.stringify(asObject(found, store))}\n` : asText(found, store))
  return 0
}

function asObject({ state, ...found }: Inspection, store: ObjectStore) {
  const topics = [...state.topics.all()]
  return {
    store: store.url,
    ...found,
    topics: topics.length,
    partitions: topics.reduce((sum, { id }) => sum + state.partitions.ofTopic(id).length, 0),
    groups: state.groups.size,
    writers: state.writers.size,
    commands: state.position,
  }
}

function asText(found: Inspection, store: ObjectStore): string {
  const { entries, ...facts } = asObject(found, store)
  const lines: [string, string | number][] = [
    ['store', facts.store],
    ['cluster', `${facts.clusterId}, format ${facts.format}`],
    ...(facts.ledgers === 1 ? [] : [['ledger', `${facts.ledger}, of ${facts.ledgers}`] as [string, string]]),
    ['entries', facts.lastSequence === 0 ? 'none' : `${facts.firstSequence} to ${facts.lastSequence}`],
    ['snapshot', facts.snapshotSequence === 0 ? 'none' : `after entry ${facts.snapshotSequence}`],
    ['writers', `${facts.writers} (process starts that wrote and are not forgotten)`],
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
