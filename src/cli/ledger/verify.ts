import { systemRandom } from '../../base/random.js'
import type { ObjectStore } from '../../state/store/object-store.js'
import { retrying } from '../../state/store/retrying.js'
import type { Damage, Orphan } from '../../state/verify/findings.js'
import { type Verification, type VerifiedLedger, verifyCluster } from '../../state/verify/verify.js'
import type { Terminal } from '../terminal.js'
import { progressOn, sizeText, spanText } from './progress.js'
import { noCluster } from './store.js'

/** Orphans that stay are named up to so many; all are in the JSON. */
const orphansNamed = 20

/** Checks what a store holds and prints what is wrong; gives the exit code: 0 if nothing is. */
export async function verify(
  store: ObjectStore,
  options: { quick: boolean; json: boolean },
  terminal: Terminal,
): Promise<number> {
  const { clock, signal } = terminal
  const show = progressOn(terminal)
  const found = await verifyCluster({
    store: retrying(store, { clock, random: systemRandom, signal }),
    clock,
    isQuick: options.quick,
    signal,
    onProgress: (progress) =>
      show(() =>
        progress.phase === 'entries'
          ? `${progress.entries} entries replayed`
          : `${progress.objects} objects, ${sizeText(progress.bytes)}`,
      ),
  })
  if (found === undefined) return await noCluster(store, terminal)
  const asJson = () => `${JSON.stringify({ store: store.url, isQuick: options.quick, ...found })}\n`
  await terminal.out(options.json ? asJson() : asText(found, store, options.quick))
  return found.isSound ? 0 : 1
}

function asText(found: Verification, store: ObjectStore, isQuick: boolean): string {
  const { logs, objects, collectable, orphans, ledgers, waiting } = found
  const staying = orphans.filter((orphan) => !orphan.isCollected)
  const facts: [string, string][] = [
    ['store', store.url],
    ['cluster', `${found.clusterId}, format ${found.format}`],
    ...ledgers.map((ledger, number): [string, string] => [
      ledgers.length === 1 ? 'ledger' : `ledger ${number}`,
      orderText(ledger),
    ]),
    ['topics', `${logs.topics}, ${logs.partitions} partitions, ${logs.records} offsets`],
    ['records', `${sizeText(found.recordBytes)} in ${found.ranges} ranges ${isQuick ? 'are there' : 'read'}`],
    ['objects', `${objects.objects}, ${sizeText(objects.bytes)}`],
  ]
  const lines = facts.map(([name, value]) => `${name.padEnd(10)}${value}`)
  const note = (text: string) => lines.push(`${''.padEnd(10)}${text}`)
  const going = orphans.length - staying.length
  if (collectable.objects + going > 0)
    note(
      `${counted(collectable.objects, 'ledger object')} (${sizeText(collectable.bytes)}) and ` +
        `${counted(going, 'segment')} that nothing needs: a running gateway collects them`,
    )
  if (waiting.objects > 0)
    note(`${counted(waiting.objects, 'lane object')} (${sizeText(waiting.bytes)}) still to be ordered`)
  for (const { unorderedEntries, lastSequence } of ledgers)
    if (unorderedEntries > 0)
      note(
        `${unorderedEntries} entries stand beyond entry ${lastSequence + 1}, which is not there: puts under way, or of ` +
          'a process that died; nothing of them was acknowledged',
      )
  for (const orphan of staying.slice(0, orphansNamed)) lines.push(orphanLine(orphan))
  if (staying.length > orphansNamed) note(`and ${staying.length - orphansNamed} more orphans: see --json`)
  for (const damage of found.damages) lines.push(damageLine(damage))
  const more = found.damageCount - found.damages.length
  if (more > 0) note(`and ${more} more`)
  lines.push(found.isSound ? 'sound' : `DAMAGED: ${found.damageCount} found`)
  return `${lines.join('\n')}\n`
}

function orderText({ entries, firstSequence, lastSequence, voidParts, snapshots }: VerifiedLedger): string {
  const voids = voidParts === 0 ? '' : `, ${voidParts} parts void`
  const replayed =
    entries === 0 ? `no entry after ${lastSequence}` : `entries ${firstSequence} to ${lastSequence} replayed`
  return `${replayed}${voids}; ${snapshots.length === 0 ? 'no snapshot' : `snapshots after ${snapshots.join(', ')}`}`
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`

function orphanLine({ key, bytes, ageMs, isOlder, why }: Orphan): string {
  const age = ageMs === undefined ? '' : `, ${isOlder ? 'more than ' : ''}${spanText(ageMs)} old`
  return `orphan    ${key} (${sizeText(bytes)}${age}): ${why}; nothing deletes it`
}

/** One line that says which object is damaged, how, and whose records can't be read. */
export function damageLine({ key, problem, message, topic, partition, offset, endOffset }: Damage): string {
  const what = key === undefined ? '' : `${key}: `
  const place = [
    ...(topic === undefined ? [] : [`topic ${topic}`]),
    ...(partition === undefined ? [] : [`partition ${partition}`]),
    ...(offset === undefined || endOffset === undefined ? [] : [offsetsText(offset, endOffset - 1)]),
  ].join(', ')
  return `${problem.toUpperCase()} ${what}${message}${place === '' ? '' : ` (${place})`}`
}

function offsetsText(first: number, last: number): string {
  return first === last ? `offset ${first}` : `offsets ${first} to ${last}`
}
