import fs from 'node:fs'
import { linuxSystemCalls } from '../../src/state/store/mapping/system-calls.js'

/** Why tests of mapped files have to be skipped on this system; false if they need not be. */
export function noMappedFiles(): string | false {
  const fd = fs.openSync(process.execPath, 'r')
  try {
    const canTell = (linuxSystemCalls()?.cachedPages(fd, 0, 1) ?? -1) >= 0
    return canTell ? false : 'this system lacks cachestat(2)'
  } finally {
    fs.closeSync(fd)
  }
}
