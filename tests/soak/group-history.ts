import type { Complaints } from './complaints.js'

/** An offset that was committed and acknowledged. Times are wall-clock milliseconds of one machine. */
export interface Commit {
  member: string
  partition: number
  offset: number
  beganMs: number
  endedMs: number
  /** Where the client library tells it. */
  generation?: number
}

/** A committed offset as somebody was told it, having asked at `beganMs`; -1: none. */
export interface Told {
  who: string
  partition: number
  offset: number
  beganMs: number
}

/**
 * What the members of one consumer group and others saw of its committed offsets and generations. A commit that was
 * acknowledged before somebody asks is seen by him, whichever instance he asks; since every owner of a partition goes
 * on from there, offsets never go back. A commit in a generation that is over is not accepted; in one generation a
 * partition has one owner.
 */
export class GroupHistory {
  readonly #name: string
  readonly #complaints: Complaints
  readonly #commits: Commit[] = []
  readonly #told: Told[] = []
  /** By generation and partition. */
  readonly #owners = new Map<string, string>()
  /** By member. */
  readonly #generations = new Map<string, number>()
  #generationMax = 0

  constructor(name: string, complaints: Complaints) {
    this.#name = name
    this.#complaints = complaints
  }

  get commitCount(): number {
    return this.#commits.length
  }

  get generationMax(): number {
    return this.#generationMax
  }

  committed(commit: Commit): void {
    this.#commits.push(commit)
  }

  told(told: Told): void {
    this.#told.push(told)
  }

  /** A member learnt which partitions it owns in a generation. */
  owns(member: string, generation: number, partitions: readonly number[]): void {
    const before = this.#generations.get(member) ?? 0
    if (generation < before)
      this.#complaints.add('generation went back', `${this.#name}: ${member} was in ${before} and is in ${generation}`)
    this.#generations.set(member, generation)
    this.#generationMax = Math.max(this.#generationMax, generation)
    for (const partition of partitions) {
      const key = `generation ${generation}, partition ${partition}`
      const owner = this.#owners.get(key)
      if (owner !== undefined && owner !== member)
        this.#complaints.add('two owners', `${this.#name}, ${key}: ${owner} and ${member}`)
      this.#owners.set(key, member)
    }
  }

  /** Judges all that was reported; it need not have been reported in the order of time. */
  finish(): void {
    const partitions = new Set([...this.#commits, ...this.#told].map(({ partition }) => partition))
    for (const partition of partitions) this.#judge(partition)
  }

  #judge(partition: number): void {
    const commits = this.#commits
      .filter((commit) => commit.partition === partition)
      .sort((a, b) => a.endedMs - b.endedMs)
    const highest = highestBefore(commits, ({ offset }) => offset)
    const latest = highestBefore(commits, ({ generation }) => generation ?? 0)
    const at = `${this.#name}, partition ${partition}`
    for (const { who, offset, beganMs } of this.#told.filter((told) => told.partition === partition)) {
      const before = highest(beganMs)
      if (before !== undefined && offset < before.offset)
        this.#complaints.add(
          'commit lost',
          `${at}: ${who} was told ${offset} at ${beganMs}, after ${before.member}'s ${before.offset} of ${before.endedMs}`,
        )
    }
    for (const commit of commits) {
      const before = highest(commit.beganMs)
      if (before !== undefined && commit.offset < before.offset)
        this.#complaints.add(
          'offset went back',
          `${at}: ${commit.member}'s ${commit.offset} of ${commit.beganMs} after ${before.member}'s ${before.offset} ` +
            `of ${before.endedMs}`,
        )
      const newer = latest(commit.beganMs)
      const { generation } = commit
      if (generation !== undefined && newer?.generation !== undefined && newer.generation > generation)
        this.#complaints.add(
          'stale generation',
          `${at}: ${commit.member} committed in ${generation} at ${commit.beganMs}, after ${newer.generation} had begun`,
        )
    }
  }
}

/**
 * Of commits in the order of their ends: which one that ended before a moment has the highest of something. A commit
 * that ends in the millisecond in which another begins may be the later one.
 */
function highestBefore(commits: readonly Commit[], of: (commit: Commit) => number): (ms: number) => Commit | undefined {
  const highest: Commit[] = []
  for (const commit of commits) {
    const before = highest.at(-1)
    highest.push(before !== undefined && of(before) > of(commit) ? before : commit)
  }
  return (ms) => {
    let low = 0
    let high = commits.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((commits[middle]?.endedMs ?? 0) < ms) low = middle + 1
      else high = middle
    }
    return highest[low - 1]
  }
}
