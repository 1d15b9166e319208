import fs from 'node:fs'
import { type Clock, systemClock } from '../../src/base/clock.js'
import { silentLog } from '../../src/base/log.js'
import { type Random, systemRandom } from '../../src/base/random.js'
import { Flushes } from '../../src/state/store/flushes.js'
import { Folders, fsyncFolder } from '../../src/state/store/folders.js'
import { Journal, type JournalFileLimits } from '../../src/state/store/journal/journal.js'
import { Pace } from '../../src/state/store/pace.js'

export interface JournalTestOptions {
  isDurable?: boolean
  isReadOnly?: boolean
  limits?: JournalFileLimits
  flushes?: Flushes
  clock?: Clock
  random?: Random
}

/** A journal below `root` as a process of its own would have it. */
export function journalIn(root: string, options: JournalTestOptions = {}): Journal {
  const { isDurable = false, flushes = new Flushes(), clock = systemClock } = options
  fs.mkdirSync(`${root}/tmp`, { recursive: true })
  return new Journal({
    folder: journalFolder(root),
    temporaryFolder: `${root}/tmp`,
    folders: new Folders(root, isDurable ? fsyncFolder : undefined, flushes),
    flushes,
    isReadOnly: false,
    pace: new Pace(clock),
    random: systemRandom,
    log: silentLog(),
    ...options,
    isDurable,
    clock,
  })
}

export const journalFolder = (root: string) => `${root}/journal/ledger/0`

/** A file is followed by the next after so many objects. */
export const limitsOf = (objectsMax: number): JournalFileLimits => ({ bytesMax: 1e9, objectsMax, objectBytesMax: 1e9 })

/** What an object says; undefined if there is none of that number. */
export const textOf = async (journal: Journal, number: number) => (await journal.get(number))?.bytes.toString()

export async function numbersIn(journal: Journal, after = -1): Promise<number[]> {
  const numbers: number[] = []
  for await (const { number } of journal.list(after)) numbers.push(number)
  return numbers
}
