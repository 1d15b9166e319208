import type { Readable } from 'node:stream'

/** The longest line that is taken, bytes. */
const lineBytesMax = 64 * 1024 * 1024

/**
 * The lines of a stream, without their ends, as they come: each time all that are whole. A last line without an end
 * counts; the end of the stream or `signal` ends them.
 * @throws RangeError when a line is too long
 */
export async function* linesOf(stream: Readable, signal: AbortSignal): AsyncGenerator<Buffer[], void, undefined> {
  let rest: Buffer[] = []
  let restBytes = 0
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    for await (const chunk of stream) {
      const bytes: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
      const end = bytes.lastIndexOf(10)
      if (end >= 0) {
        yield split(Buffer.concat([...rest, bytes.subarray(0, end)]))
        rest = []
        restBytes = 0
      }
      rest.push(bytes.subarray(end + 1))
      restBytes += bytes.length - end - 1
      if (restBytes > lineBytesMax) throw new RangeError(`a line has more than ${lineBytesMax} bytes`)
    }
  } catch (error) {
    // A stream that is destroyed while it is read ends with an error.
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
  if (restBytes > 0) yield split(Buffer.concat(rest))
}

function split(text: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let start = 0
  for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, start)) {
    lines.push(withoutReturn(text.subarray(start, end)))
    start = end + 1
  }
  lines.push(withoutReturn(text.subarray(start)))
  return lines
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === 13 ? line.subarray(0, -1) : line
}
