import type { History } from './history.js'

/** A member's client, as long as it lives. */
export interface MemberState {
  memberId: string
  groupInstanceId: string | null
  generationId: number
  /** What it was assigned in that generation; undefined until it was. */
  partitions: readonly number[] | undefined
}

interface Commits {
  /** The last offset that was acknowledged. */
  acknowledged: number
  /** Offsets whose commit was not answered: they may land at any time, until a later one is acknowledged. */
  uncertain: Set<number>
}

/** Heartbeats are answered from memory: news may be that old, milliseconds. */
const staleMs = 4_000

/** Sees what one group's members are told, and checks that it fits together. */
export class GroupWitness {
  readonly groupId: string
  readonly members = new Set<MemberState>()
  readonly #history: History
  readonly #now: () => number
  readonly #partitionCount: () => number
  /** When each generation was first heard of. */
  readonly #generations = new Map<number, { atMs: number; leader: string }>()
  #newest = 0
  #hasSettled = false
  /** Who owns what, by generation. */
  readonly #owners = new Map<string, string>()
  readonly #commits = new Map<number, Commits>()

  constructor(options: { history: History; now: () => number; groupId: string; partitionCount: () => number }) {
    this.#history = options.history
    this.#now = options.now
    this.groupId = options.groupId
    this.#partitionCount = options.partitionCount
  }

  /** The newest generation that anybody was told of. */
  get newest(): number {
    return this.#newest
  }

  joined(generationId: number, leaderId: string, memberId: string): void {
    // A static member may come back under another id in the same generation, and lead it still (KIP-345).
    const leader = leaderId.startsWith('static-') ? 'static' : leaderId
    const known = this.#generations.get(generationId)
    if (known === undefined) this.#generations.set(generationId, { atMs: this.#now(), leader })
    else if (known.leader !== leader)
      this.#violation('two leaders', `in generation ${generationId}: ${known.leader}, and for ${memberId} ${leader}`)
    this.#newest = Math.max(this.#newest, generationId)
  }

  assigned(member: MemberState): void {
    for (const partition of member.partitions ?? []) {
      const key = `${member.generationId}/${partition}`
      const owner = member.groupInstanceId ?? member.memberId
      const known = this.#owners.get(key)
      if (known === undefined) this.#owners.set(key, owner)
      else if (known !== owner)
        this.#violation(
          'two owners',
          `of partition ${partition} in generation ${member.generationId}: ${known}, ${owner}`,
        )
    }
  }

  /** A heartbeat was answered without an error. */
  alive(generationId: number, askedAtMs: number): void {
    for (const [newer, { atMs }] of this.#generations)
      if (newer > generationId && atMs < askedAtMs - staleMs)
        this.#violation(
          'stale generation',
          `a heartbeat of ${generationId} was fine ${staleMs} ms after ${newer} began`,
        )
  }

  /** An answered commit: `newestBefore` and `askedAtMs` are of when it was asked for. */
  committed(partition: number, offset: number, generationId: number, newestBefore: number): void {
    if (generationId < newestBefore)
      this.#violation('stale generation', `a commit of ${generationId} was accepted after ${newestBefore} had begun`)
    const commits = this.#of(partition)
    commits.acknowledged = offset
    commits.uncertain.clear()
  }

  uncertain(partition: number, offset: number): void {
    this.#of(partition).uncertain.add(offset)
  }

  acknowledged(partition: number): number {
    return this.#commits.get(partition)?.acknowledged ?? 0
  }

  /** What somebody was told is committed, after `atLeast` had been acknowledged. */
  fetched(partition: number, offset: number, atLeast: number): void {
    if (offset >= atLeast) return
    const commits = this.#of(partition)
    if (commits.uncertain.has(offset) || offset >= commits.acknowledged) commits.acknowledged = offset
    else this.#violation('offset went back', `partition ${partition}: ${offset} is committed, ${atLeast} was`)
  }

  /** Whether all members that live share, or once shared, all partitions in one generation; never before the first. */
  hasSettled(): boolean {
    this.#hasSettled ||= this.#isSettled()
    return this.#hasSettled
  }

  #isSettled(): boolean {
    if (this.#newest === 0) return false
    const owned = new Set<number>()
    for (const { generationId, partitions } of this.members) {
      if (generationId !== this.#newest || partitions === undefined) return false
      for (const partition of partitions) owned.add(partition)
    }
    return this.members.size === 0 || owned.size === this.#partitionCount()
  }

  expelled(memberId: string, silentMs: number): void {
    this.#violation('expelled', `${memberId} was well ${Math.round(silentMs)} ms before`)
  }

  #of(partition: number): Commits {
    const known = this.#commits.get(partition)
    if (known !== undefined) return known
    const commits = { acknowledged: 0, uncertain: new Set<number>() }
    this.#commits.set(partition, commits)
    return commits
  }

  #violation(checker: string, text: string): void {
    this.#history.violation(checker, `group ${this.groupId}: ${text}`)
  }
}
