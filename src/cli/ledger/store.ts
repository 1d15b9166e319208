import { createLog } from '../../base/log.js'
import { systemRandom } from '../../base/random.js'
import { loadConfig, type StorageConfig } from '../../config.js'
import { readCopyMarker } from '../../state/ledger/identity.js'
import type { ObjectStore } from '../../state/store/object-store.js'
import { openStore } from '../../state/store/open.js'
import { UsageError } from '../arguments.js'
import type { Terminal } from '../terminal.js'

export interface StoreChoice {
  /** The configured store unless given. */
  url: string | undefined
  /** `s3://` only: the configured endpoint unless given. */
  endpoint?: string | undefined
  config: string | undefined
  /** Nothing is to be changed there. */
  readOnly: boolean
}

/**
 * Opens the store that a command is to work on. A directory that is not there is not made if nothing is to be changed:
 * then there is no object in it.
 * @throws UsageError, ConfigError
 */
export async function openChosenStore(choice: StoreChoice, terminal: Terminal): Promise<ObjectStore> {
  const { url, config, readOnly } = choice
  const environment = url ? { ...terminal.environment, HERACLITUS_STORAGE_URL: url } : terminal.environment
  const { storage } = loadConfig({ path: config, environment })
  if (storage.url === 'memory:') throw new UsageError('memory: can only be looked into by its own process')
  const s3 = { ...s3Of(storage), ...(choice.endpoint === undefined ? {} : { endpoint: choice.endpoint }) }
  const options = { fsync: storage.fsync, readOnly, s3, clock: terminal.clock, random: systemRandom }
  try {
    return await openStore(storage.url, { ...options, log: createLog('error') })
  } catch (error) {
    // A URL that the configuration takes for one and the store does not.
    if (error instanceof Error && error.message.startsWith('bad storage URL')) throw new UsageError(error.message)
    throw error
  }
}

/** Why there is no cluster in a store that has no `cluster.json`; the exit code of who looked for one. */
export async function noCluster(store: ObjectStore, terminal: Terminal): Promise<number> {
  const copied = await readCopyMarker(store)
  let first: string | undefined
  for await (const { key } of store.list('', { limit: 1 })) first = key
  if (copied !== undefined)
    terminal.note(
      `heraclitus: ${store.url} holds an unfinished copy of cluster ${copied}: run the copy again to finish it`,
    )
  else if (first !== undefined)
    terminal.note(`heraclitus: ${store.url} has no cluster.json, and so is no cluster, though there is ${first}`)
  else terminal.note(`heraclitus: there is no cluster in ${store.url}`)
  return 1
}

function s3Of({ endpoint, region, forcePathStyle }: StorageConfig) {
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
  }
}
