import { checksum } from '../ledger/entry.js'
import type { Writers } from '../views/writers.js'

/**
 * The writers that are there and write: whose last part is younger than `liveMs`. By the word of the ledger and of
 * their clocks, so it is a guess.
 */
export function liveWriters(writers: Writers, nowMs: number, liveMs: number): number[] {
  const live: number[] = []
  for (const writer of writers.all())
    if (!writers.isRetired(writer) && Math.abs(nowMs - (writers.lastTimeMs(writer) ?? 0)) < liveMs) live.push(writer)
  return live
}

/**
 * Whether a piece of upkeep is `writer`'s to do, among those that live: rendezvous hashing, so that most shares stay
 * where they are when somebody comes or goes. Instances may disagree for a while: then it is done twice, or later.
 */
export function isShareOf(writer: number, live: readonly number[], name: string): boolean {
  if (live.length === 0) return true
  let owner = 0
  let highest = -1
  for (const each of live) {
    const weight = weightOf(name, each)
    if (weight > highest) [owner, highest] = [each, weight]
  }
  return owner === writer
}

/** What a writer weighs for that name, in rendezvous hashing: the heaviest has it. */
export function weightOf(name: string, writer: number): number {
  return mixed(checksum(Buffer.from(name)) ^ Math.imul(writer, 0x9e3779b1))
}

/** MurmurHash3's last step: every bit of the result depends on every bit of the number. */
function mixed(number: number): number {
  let hash = number
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
