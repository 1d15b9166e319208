import * as z from 'zod'
import { messageOf } from '../../base/errors.js'
import { allWritten, SinkError, type SinkSpec } from '../component.js'
import { jsonOf } from '../record.js'
import { contentOption } from './content.js'

const table = z.strictObject({ content: contentOption })
const options = z
  .union([table, z.literal(true)], { error: 'expected a table, such as { } or { content = "record" }, or true' })
  .transform((given) => (given === true ? table.parse({}) : given))

export type StdoutOptions = z.output<typeof options>

/** `stdout = {}`: a line of JSON for each record. */
export const stdout: SinkSpec<StdoutOptions> = {
  kind: 'sink',
  name: 'stdout',
  summary: "Writes a line of JSON for each record to the process's standard output.",
  delivery: 'at-least-once',
  options,
  open({ content }, { stdout }) {
    hearErrors(stdout)
    return {
      async write(batch) {
        const lines = batch.map((record) => `${jsonOf(record, content)}\n`).join('')
        // The callback comes when the reader has made room for all of it: that is the back-pressure.
        await new Promise<void>((resolve, reject) => {
          stdout.write(lines, (error) => {
            if (error) reject(new SinkError(`standard output: ${messageOf(error)}`, { retry: true, cause: error }))
            else resolve()
          })
        })
        return allWritten
      },
      async close() {},
    }
  },
}

const heard = new WeakSet<NodeJS.WritableStream>()

/** A closed pipe is also an event, which would end the process; the write's own callback tells of it. */
function hearErrors(stream: NodeJS.WritableStream): void {
  if (heard.has(stream)) return
  heard.add(stream)
  stream.on('error', () => {})
}
