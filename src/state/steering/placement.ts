import { weightOf } from '../log/shares.js'

/**
 * Who is to write which ledger: for each ledger the writers to send clients to, at least one. Everybody has as many
 * ledgers as anybody else, or shares one with as many, give or take one: a ledger with a single writer is written as
 * fast as if there were no other, and nobody is left idle. Who comes or goes changes little for the others (each choice
 * is the heaviest left, by rendezvous hashing).
 * @param live not empty
 */
export function writersOfLedgers(live: readonly number[], ledgers: number): number[][] {
  const chosen: number[][] = Array.from({ length: ledgers }, () => [])
  const pairs = chosen.flatMap((_, ledger) =>
    live.map((writer) => ({ ledger, writer, weight: weightOf(`ledger ${ledger}`, writer) })),
  )
  pairs.sort((a, b) => b.weight - a.weight || a.ledger - b.ledger || a.writer - b.writer)
  const [writersMax, ledgersMax] = [Math.ceil(live.length / ledgers), Math.ceil(ledgers / live.length)]
  // As many ledgers, or writers, have one more than the others as the numbers leave over.
  let fullLedgers = live.length > ledgers ? live.length % ledgers || ledgers : ledgers
  let fullWriters = ledgers > live.length ? ledgers % live.length || live.length : live.length
  const loads = new Map<number, number>()
  for (const { ledger, writer } of pairs) {
    const writers = chosen[ledger] as number[]
    const load = loads.get(writer) ?? 0
    const isLastWriter = writers.length === writersMax - 1
    const isLastLedger = load === ledgersMax - 1
    if (writers.length >= writersMax || load >= ledgersMax) continue
    if ((isLastWriter && fullLedgers === 0) || (isLastLedger && fullWriters === 0)) continue
    if (isLastWriter) fullLedgers--
    if (isLastLedger) fullWriters--
    writers.push(writer)
    loads.set(writer, load + 1)
  }
  return chosen
}

/** One of several writers, for what has that name. */
export function writerOf(name: string, writers: readonly number[]): number | undefined {
  let chosen: number | undefined
  let highest = -1
  for (const writer of writers) {
    const weight = weightOf(name, writer)
    if (weight > highest) [chosen, highest] = [writer, weight]
  }
  return chosen
}
