import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { freemem } from 'node:os'
import { promisify } from 'node:util'

/** Where Linux says that it lends what memory is free to the host of this virtual machine. */
const freePageReporting = '/sys/module/page_reporting'

/**
 * Makes about so many bytes of free memory this machine's own, where it lends free memory to its host ("free page
 * reporting"). There each page is to be got back when it is used again, at 2 s of CPU a GB: whoever writes files first
 * after a quiet minute pays that, and whoever writes into what another has just freed does not, so that servers that are
 * measured in turn would be told apart by it. On a server whose memory has been in use for a while there is no such cost.
 *
 * It is large pieces that are lent, so large pages have to ask for them: Java can.
 */
export async function takeBackMemory(bytes: number): Promise<void> {
  if (!existsSync(freePageReporting)) return
  const heap = `${Math.floor(Math.min(bytes, freemem() / 2) / 2 ** 20)}m`
  const large = ['-XX:+UseTransparentHugePages', '-XX:+AlwaysPreTouch', '-XX:+UseSerialGC']
  await promisify(execFile)('java', [`-Xms${heap}`, `-Xmx${heap}`, ...large, '-version'])
}
