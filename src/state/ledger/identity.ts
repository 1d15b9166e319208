import { CorruptObjectError, StoreError, UnavailableError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { ledgersMax } from '../routing.js'
import type { ObjectStore } from '../store/object-store.js'
import { clusterKey, copyMarkerKey, numberOfKey, writerKey, writersPrefix } from './keys.js'

/**
 * The formats of a store: 1 has one ledger, 2 several. Who knows of one only would take the records of the others for
 * garbage, so it must not start on a store of format 2.
 */
const formatOfOne = 1
const formatOfSeveral = 2
/** Numbers that may be found taken, or whose claim may fail, before a start gives up. */
const claimsMax = 1_000

export interface ClusterIdentity {
  clusterId: string
  format: number
  /** How many ledgers it has; fixed when it is made. */
  ledgers: number
}

/** The number of ledgers that is wanted is not the one that the cluster was made with. */
export class LedgerCountError extends Error {
  override readonly name = 'LedgerCountError'
  /** How many it has. */
  readonly ledgers: number

  constructor(url: string, ledgers: number, wanted: number) {
    super(
      `the cluster in ${url} was made with ${ledgers} ledger${ledgers === 1 ? '' : 's'}, not ${wanted}, and keeps them`,
    )
    this.ledgers = ledgers
  }
}

/**
 * Which cluster the store holds; makes a new one of an empty store. Several instances may do so at once: one wins.
 * @param ledgers how many it is to have; undefined: as many as it has, a new one has one
 * @throws UnavailableError if the store is of a later format, or a copy into it was begun and is not finished;
 * LedgerCountError if it has another number of ledgers.
 */
export async function openIdentity(
  store: ObjectStore,
  random: Random,
  ledgers: number | undefined,
): Promise<ClusterIdentity> {
  const identity = (await readIdentity(store)) ?? (await makeIdentity(store, random, ledgers ?? 1))
  if (ledgers !== undefined && identity.ledgers !== ledgers)
    throw new LedgerCountError(store.url, identity.ledgers, ledgers)
  return identity
}

async function makeIdentity(store: ObjectStore, random: Random, ledgers: number): Promise<ClusterIdentity> {
  const copied = await readCopyMarker(store)
  if (copied !== undefined)
    throw new UnavailableError(
      `${store.url} holds an unfinished copy of cluster ${copied}: run 'heraclitus ledger copy' again to finish it`,
    )
  // Kafka's cluster ids are UUIDs in URL-safe base64 without padding.
  const clusterId = Buffer.from(random.hex(16), 'hex').toString('base64url')
  const identity: ClusterIdentity = { clusterId, format: ledgers === 1 ? formatOfOne : formatOfSeveral, ledgers }
  await store.putIfAbsent(clusterKey, [Buffer.from(`${JSON.stringify(identity)}\n`)])
  const stored = await readIdentity(store)
  if (stored === undefined) throw new UnavailableError(`${store.url} lost ${clusterKey} right after it was stored`)
  return stored
}

/**
 * Which cluster the store holds; undefined if none.
 * @throws UnavailableError if the store is of a later format; CorruptObjectError if it can't be told.
 */
export async function readIdentity(store: ObjectStore): Promise<ClusterIdentity | undefined> {
  const object = await store.get(clusterKey)
  if (object === undefined) return undefined
  const identity = parse(object.bytes, store.url)
  if (identity.format > formatOfSeveral)
    throw new UnavailableError(
      `${store.url} has format ${identity.format}, this version reads up to ${formatOfSeveral}: use a newer one`,
    )
  return identity
}

/**
 * The id of the cluster that is being copied into the store; undefined if none is.
 * @throws CorruptObjectError if it can't be told.
 */
export async function readCopyMarker(store: ObjectStore): Promise<string | undefined> {
  const object = await store.get(copyMarkerKey)
  if (object === undefined) return undefined
  const [, clusterId] = /^\{"clusterId":"([^"]+)"\}\n$/.exec(object.bytes.toString()) ?? []
  if (clusterId === undefined) throw new CorruptObjectError(`${copyMarkerKey} in ${store.url} names no cluster`)
  return clusterId
}

/** The bytes of the mark that a store holds while a cluster is being copied into it. */
export const copyMarker = (clusterId: string) => Buffer.from(`${JSON.stringify({ clusterId })}\n`)

function parse(bytes: Buffer, url: string): ClusterIdentity {
  try {
    const identity = JSON.parse(bytes.toString()) as Partial<ClusterIdentity>
    const { clusterId, format, ledgers = 1 } = identity
    const isNumber = Number.isInteger(ledgers) && ledgers >= 1 && ledgers <= ledgersMax
    if (typeof clusterId === 'string' && typeof format === 'number' && isNumber) return { clusterId, format, ledgers }
  } catch (cause) {
    throw new CorruptObjectError(`${clusterKey} in ${url} is not JSON`, { cause })
  }
  throw new CorruptObjectError(
    `${clusterKey} in ${url} lacks clusterId or format, or has no number of ledgers from 1 to ${ledgersMax}`,
  )
}

/**
 * Claims a writer number that nobody had before: the smallest that is above all that are taken, and above `known`, the
 * highest that has written. A claim of unknown outcome is made again: one that took effect is known by its bytes. To take
 * the next number instead would use up hundreds while the store is not reached, and each has a lane that others look at.
 * Claims are deleted, but for the highest: `store` must be fenced, so that whoever looked before a number was taken does
 * not find it free after its claim was deleted (docs/decisions/0004-forgetting-writers.md).
 */
export async function claimWriter(store: ObjectStore, ledger: number, random: Random, known: number): Promise<number> {
  let last = known
  for await (const object of store.list(writersPrefix(ledger))) last = Math.max(last, numberOfKey(object.key))
  const body = Buffer.from(random.hex(8))
  let failure: StoreError | undefined
  let claim = last + 1
  for (let attempt = 1; attempt <= claimsMax; attempt++) {
    const key = writerKey(ledger, claim)
    try {
      if ((await store.putIfAbsent(key, [body])) === 'created') return claim
      if (failure !== undefined && (await store.get(key))?.bytes.equals(body)) return claim
      failure = undefined
      claim++
    } catch (error) {
      if (!(error instanceof StoreError) || !error.retry) throw error
      failure = error
    }
  }
  throw failure ?? new UnavailableError(`no writer number could be claimed in ${store.url}`)
}
