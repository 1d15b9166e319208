import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import * as z from 'zod'
import type { Log } from '../../base/log.js'
import { allWritten, type SinkSpec } from '../component.js'
import { jsonOf } from '../record.js'
import { contentOption } from './content.js'

const options = z.strictObject({
  path: z.string({ error: 'expected the path of a file' }).min(1, { error: 'expected the path of a file' }),
  content: contentOption,
})

export type FileOptions = z.output<typeof options>

/** `file = { path = "paid.ndjson" }`: appends a line of JSON for each record, flushed to disk. */
export const file: SinkSpec<FileOptions> = {
  kind: 'sink',
  name: 'file',
  summary: 'Appends a line of JSON for each record to a file (NDJSON), flushed to disk before the offset is committed.',
  delivery: 'at-least-once',
  options,
  exclusive: ({ path }) => `file ${resolve(path)}`,
  open({ path, content }, { log }) {
    const target = resolve(path)
    let handle: FileHandle | undefined
    let size = 0
    let last: Promise<void> = Promise.resolve()

    // Several partitions write; the file has one end. Each turn waits for the one before, whatever came of it.
    const inTurn = (task: () => Promise<void>): Promise<void> => {
      const turn = last.then(task)
      last = turn.catch(() => {})
      return turn
    }

    const append = async (lines: Buffer) => {
      if (handle !== undefined && !(await isStillAt(handle, target))) {
        await handle.close()
        handle = undefined
      }
      if (handle === undefined) {
        handle = await openForAppend(target)
        size = await mendLastLine(handle, target, log)
      }
      try {
        await writeAll(handle, lines)
        await handle.datasync()
        size += lines.length
      } catch (error) {
        // What was written of the lines is written again: take it away, or else look at the file anew.
        const failed = handle
        handle = undefined
        await failed.truncate(size).catch((cause) => log.warn({ path: target, err: cause }, 'half a line may remain'))
        await failed.close()
        throw error
      }
    }

    return {
      async write(batch) {
        const lines = Buffer.from(batch.map((record) => `${jsonOf(record, content)}\n`).join(''))
        await inTurn(() => append(lines))
        return allWritten
      },
      async close() {
        await inTurn(async () => {
          await handle?.close()
          handle = undefined
        })
      },
    }
  },
}

async function openForAppend(path: string): Promise<FileHandle> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true })
  const handle = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o644)
  try {
    // The name of a new file is as important as what is in it.
    const parent = await open(folder, 'r')
    await parent.sync().finally(() => parent.close())
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Whether the path still names the opened file: log rotation moves it away. */
async function isStillAt(handle: FileHandle, path: string): Promise<boolean> {
  try {
    const [opened, named] = await Promise.all([handle.stat(), stat(path)])
    return opened.ino === named.ino && opened.dev === named.dev
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

const tailBytesMax = 16 * 1024 * 1024

/**
 * Makes the file end with a line's end. A crash can leave the beginning of a line, whose record was not committed and
 * is written again: it is cut off. A whole document that only lacks its end is somebody's own: it gets one.
 * Gives the file's size.
 */
async function mendLastLine(handle: FileHandle, path: string, log: Log): Promise<number> {
  const { size } = await handle.stat()
  if (size === 0) return 0
  const length = Math.min(size, tailBytesMax)
  const tail = Buffer.alloc(length)
  await handle.read(tail, 0, length, size - length)
  const start = tail.lastIndexOf(0x0a) + 1
  if (start === length) return size
  if (isDocument(tail.toString('utf8', start)) || (start === 0 && size > length)) {
    await writeAll(handle, Buffer.from('\n'))
    return size + 1
  }
  log.warn({ path, bytes: length - start }, 'the file ends within a line, which is cut off and written again')
  await handle.truncate(size - length + start)
  return size - length + start
}

function isDocument(text: string): boolean {
  try {
    const value = JSON.parse(text)
    // The beginning of a number is a number too: only what has an end of its own is surely whole.
    return typeof value !== 'number'
  } catch {
    // Not JSON: that is the answer.
    return false
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const result = await handle.write(bytes, written)
    written += result.bytesWritten
  }
}
