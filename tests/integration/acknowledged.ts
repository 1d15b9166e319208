import type { ClientRecord, LoadedPartition } from './clients/driver.js'

/**
 * Compares what load producers were told with what the log holds. Gives everything that contradicts the promise
 * "every acknowledged record is there once, in order, at the offset it was acknowledged with, and nothing else is":
 * no problem, no lines.
 */
export function problemsIn(sent: Record<string, LoadedPartition>, log: readonly ClientRecord[]): string[] {
  const problems: string[] = []
  for (const [partition, loaded] of Object.entries(sent)) {
    const records = log.filter((record) => record.partition === Number(partition))
    problems.push(...inPartition(Number(partition), loaded, records))
  }
  return problems
}

/** The offsets at which a reader was given another record than the log holds now. */
export function changedRecords(read: readonly ClientRecord[], log: readonly ClientRecord[]): string[] {
  const place = (record: ClientRecord) => `${record.partition}@${record.offset}`
  const values = new Map(log.map((record) => [place(record), record.value]))
  return read
    .filter((record) => values.get(place(record)) !== record.value)
    .map((record) => `${place(record)} was ${brief(record.value)}, is ${brief(values.get(place(record)) ?? null)}`)
}

function inPartition(partition: number, loaded: LoadedPartition, records: ClientRecord[]): string[] {
  const problems: string[] = []
  const offsetOf = new Map<number, number>()
  let last = -1
  for (const [index, { offset, value }] of records.entries()) {
    const at = `partition ${partition}, offset ${offset}`
    const number = numberOf(partition, value)
    if (offset !== index) problems.push(`${at}: the ${index}th record should have offset ${index}`)
    if (number === undefined || number >= loaded.sent) problems.push(`${at}: ${brief(value)} was never sent`)
    else if (offsetOf.has(number)) problems.push(`${at}: record ${number} again, it is at ${offsetOf.get(number)}`)
    else if (number < last) problems.push(`${at}: record ${number} after ${last}`)
    if (number !== undefined) {
      offsetOf.set(number, offsetOf.get(number) ?? offset)
      last = Math.max(last, number)
    }
  }
  for (const [number, acknowledged] of loaded.offsets.entries()) {
    const offset = offsetOf.get(number)
    if (acknowledged === -1) continue
    if (offset === undefined) problems.push(`partition ${partition}: record ${number} was acknowledged and is lost`)
    else if (acknowledged >= 0 && acknowledged !== offset) {
      problems.push(`partition ${partition}: record ${number} was acknowledged at ${acknowledged} and is at ${offset}`)
    }
  }
  return problems
}

/** Load values are `partition:number:filler`. */
function numberOf(partition: number, value: string | null): number | undefined {
  const match = /^(\d+):(\d+):x*$/.exec(value ?? '')
  return match && Number(match[1]) === partition ? Number(match[2]) : undefined
}

function brief(value: string | null): string {
  return JSON.stringify(value === null || value.length < 30 ? value : `${value.slice(0, 30)}…`)
}
