import { systemRandom } from '../../base/random.js'
import { copyCluster } from '../../state/copy/copy.js'
import { clusterKey } from '../../state/ledger/keys.js'
import type { ObjectStore } from '../../state/store/object-store.js'
import { UsageError } from '../arguments.js'
import type { Terminal } from '../terminal.js'
import { progressOn, sizeText } from './progress.js'
import { noCluster, openChosenStore, type StoreChoice } from './store.js'
import { damageLine } from './verify.js'

/** Copies a cluster to another store and says what it did; gives the exit code: 0 if the copy is complete and sound. */
export async function copy(from: ObjectStore, target: StoreChoice, json: boolean, terminal: Terminal): Promise<number> {
  // Looked at before it is made.
  const named = await openChosenStore({ ...target, readOnly: true }, terminal)
  await named.close()
  if (isWithin(from, named) || isWithin(named, from))
    throw new UsageError(`--to ${named.url}: expected a place outside of ${from.url}, and not around it`)
  if ((await from.get(clusterKey)) === undefined) return await noCluster(from, terminal)
  const to = await openChosenStore(target, terminal)
  const show = progressOn(terminal)
  try {
    const result = await copyCluster({
      from,
      to,
      clock: terminal.clock,
      random: systemRandom,
      signal: terminal.signal,
      onProgress: ({ objects, bytes }) => show(() => `${objects} objects, ${sizeText(bytes)} copied`),
    })
    if (result === undefined) return await noCluster(from, terminal)
    const { clusterId, lastSequences, copied, present, damages, damageCount } = result
    const moment = lastSequences === undefined ? 'by an earlier run' : momentText(lastSequences)
    const lines = [
      `cluster   ${clusterId}`,
      `from      ${from.url}`,
      `to        ${to.url}`,
      `copied    ${copied.objects} objects, ${sizeText(copied.bytes)}`,
      ...(present.objects === 0 ? [] : [`present   ${present.objects} objects, ${sizeText(present.bytes)}`]),
      ...damages.map(damageLine),
      ...(damageCount > damages.length ? [`and ${damageCount - damages.length} more`] : []),
      damageCount === 0
        ? `complete  ${moment}`
        : `DAMAGED   ${moment}, and with ${damageCount} damages of the source: see heraclitus ledger verify`,
    ]
    const asJson = () => `${JSON.stringify({ from: from.url, to: to.url, ...result })}\n`
    await terminal.out(json ? asJson() : `${lines.join('\n')}\n`)
    return damageCount === 0 ? 0 : 1
  } finally {
    await to.close()
  }
}

function momentText(sequences: readonly number[]): string {
  const several = sequences.length === 1 ? 'entry' : 'entries'
  return `as it was after ${several} ${sequences.join(', ')}${sequences.length === 1 ? '' : ' of its ledgers'}`
}

/** Whether the second store is the first, or a folder in it. */
function isWithin(outer: ObjectStore, inner: ObjectStore): boolean {
  return inner.url === outer.url || inner.url.startsWith(`${outer.url.replace(/\/$/, '')}/`)
}
