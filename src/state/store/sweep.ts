import type { Clock } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import { errnoOf } from './errno.js'
import { lstat, readdir, unlink } from './files.js'

/** A put takes seconds; a temporary file older than this belongs to nobody, milliseconds. */
const abandonedMs = 60 * 60_000

/** Removes the temporary files that processes left when they died. A failure is logged: the next start tries again. */
export async function sweepTemporaryFiles(folder: string, clock: Clock, log: Log): Promise<void> {
  try {
    let removed = 0
    for (const name of await readdir(folder)) {
      try {
        const path = `${folder}/${name}`
        const stat = await lstat(path)
        // The inode's change time: linking counts, and nobody can set it back.
        if (!stat.isFile() || clock.now() - stat.ctimeMs < abandonedMs) continue
        await unlink(path)
        removed++
      } catch (error) {
        // Its owner, or another process that sweeps, was quicker.
        if (errnoOf(error) !== 'ENOENT') throw error
      }
    }
    if (removed > 0) log.info({ folder, removed }, 'removed temporary files of dead processes')
  } catch (error) {
    log.warn({ folder }, `could not sweep temporary files: ${messageOf(error)}`)
  }
}
