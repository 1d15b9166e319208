import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../base/clock.js'
import type { Environment } from '../config/environment.js'

/** What a command has to do with the world outside. */
export interface Terminal {
  readonly stdin: Readable
  /** Writes to standard output; resolves when more may come. */
  out(text: string | Uint8Array): Promise<void>
  /** Writes a line for people to standard error. */
  note(line: string): void
  /** Shows how far a command has come, in the place of what it showed before; absent where nobody would see that. */
  readonly progress?: (text: string) => void
  readonly environment: Environment
  /** Aborted when the command is to come to an end: a signal, or nobody reads standard output any more. */
  readonly signal: AbortSignal
  readonly clock: Clock
}

/** `out` of a terminal, on a stream. A stream that is closed swallows the rest: the signal ends the command. */
export function writeTo(stream: Writable, signal: AbortSignal): Terminal['out'] {
  return async (text) => {
    if (signal.aborted || stream.write(text)) return
    try {
      await once(stream, 'drain', { signal })
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

/** Rows as columns of equal width, with their titles above; JSON lines with the titles as keys if `json`. */
export function table(
  titles: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
  json: boolean,
): string {
  if (json) {
    const objects = rows.map((row) => Object.fromEntries(titles.map((title, index) => [title, row[index] ?? null])))
    return objects.map((object) => `${JSON.stringify(object)}\n`).join('')
  }
  const texts = [
    titles.map((title) => title.toUpperCase()),
    ...rows.map((row) => row.map((cell) => String(cell ?? '-'))),
  ]
  const widths = titles.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)))
  return texts
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
