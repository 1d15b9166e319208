/**
 * Which ledger of a cluster has what. The number of ledgers is fixed when a cluster is made, and so is this: a partition
 * or a group that went elsewhere by a later version would be empty there.
 */

/** Most ledgers of a cluster. */
export const ledgersMax = 64

/** The ledger that has the topics themselves, and gives producer ids. */
export const homeLedger = 0

/** The ledger of a partition's records. Those of one topic go round, so that each ledger has as many as any other. */
export function ledgerOfPartition(topicId: string, partition: number, ledgers: number): number {
  return ledgers === 1 ? homeLedger : (hashOf(topicId) + partition) % ledgers
}

/** The ledger of a group: its members, the offsets that it commits, the leases under which they are committed. */
export function ledgerOfGroup(groupId: string, ledgers: number): number {
  return ledgers === 1 ? homeLedger : hashOf(groupId) % ledgers
}

/** FNV-1a of the name's UTF-16 units, and MurmurHash3's last step, which makes all bits of it good. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
