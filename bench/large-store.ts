import { systemClock } from '../src/base/clock.js'
import { noPins } from '../src/base/pinned-memory.js'
import { systemRandom } from '../src/base/random.js'
import { encodeBatch } from '../src/protocol/records/record.js'
import { appendProposal } from '../src/state/ledger/append.js'
import { encodeHead, type Part } from '../src/state/ledger/entry.js'
import { Fold } from '../src/state/ledger/fold.js'
import { claimWriter, openIdentity } from '../src/state/ledger/identity.js'
import { entryKey } from '../src/state/ledger/keys.js'
import { noLedgerObserver } from '../src/state/ledger/observer.js'
import { buildPart, type Proposal } from '../src/state/ledger/part-builder.js'
import { storeSnapshot } from '../src/state/ledger/snapshot.js'
import { encodeSnapshot } from '../src/state/ledger/snapshot-bytes.js'
import type { ObjectStore } from '../src/state/store/object-store.js'
import { emptyState } from '../src/state/views/state.js'

export interface LargeStoreOptions {
  store: ObjectStore
  entries: number
  partitions: number
  /** Entries after the newest snapshot. */
  tail: number
  onProgress(entries: number): void
}

export const topicCount = 10
const recordBytes = 100
const ledger = 0
const errorless = () => undefined
const idOf = (topic: number) => topic.toString(16).padStart(32, '0')
export const topicOf = (topic: number) => `topic-${topic}`

/**
 * Makes a store with a long history: one entry after the other, each with a batch of one record for one partition, as
 * a gateway's committer makes and folds them, and a snapshot of what they come to. Nothing is compacted, nothing trimmed:
 * every entry is still referred to, and still there.
 */
export async function makeLargeStore(options: LargeStoreOptions): Promise<{ snapshotBytes: number }> {
  const { store, entries, partitions, tail, onProgress } = options
  await openIdentity(store, systemRandom, undefined)
  const writer = await claimWriter(store, ledger, systemRandom, 0)
  const listener = { partApplied() {}, entryApplied() {} }
  const fold = new Fold(emptyState(), 1, { listener, observer: noLedgerObserver, writer })
  const timestampMs = systemClock.now()
  const batch = encodeBatch({
    records: [{ timestampMs, key: null, value: Buffer.alloc(recordBytes, '.'), headers: [] }],
  })

  const write = async (proposals: Proposal[]) => {
    const sequence = fold.next
    const { commands, body, bodyLength } = buildPart(proposals, noPins)
    const part: Part = { writer, index: sequence, timeMs: timestampMs, commands, bodyLength, lanePosition: 0 }
    const head = encodeHead(writer, [part])
    await store.putIfAbsent(entryKey(ledger, sequence), [head, ...body])
    // A store has things to tidy up in between.
    if (sequence % 100 === 0) await systemClock.sleep(0)
    fold.offer(sequence, { writer, parts: [part], bodyPosition: head.length })
  }
  await write(
    Array.from({ length: topicCount }, (_, topic): Proposal => {
      const command = { name: topicOf(topic), id: idOf(topic), partitionCount: partitions / topicCount, configs: [] }
      return { kind: 'command', name: 'createTopic', command, resolve: errorless, reject: errorless }
    }),
  )
  let snapshotBytes = 0
  while (fold.next <= entries) {
    const partition = fold.next % partitions
    const append = { topicId: idOf(partition % topicCount), partition: Math.floor(partition / topicCount), batch }
    const request = { outcomes: [], missing: 1, resolve: errorless, reject: errorless }
    await write([appendProposal(append, request, 0)])
    if (fold.next % 50_000 === 0) onProgress(fold.next)
    if (fold.next !== entries - tail + 1) continue
    const { pieces, bytes } = await encodeSnapshot(fold.state, fold.next - 1, systemClock)
    await storeSnapshot(store, ledger, fold.next - 1, pieces)
    snapshotBytes = bytes
  }
  return { snapshotBytes }
}
