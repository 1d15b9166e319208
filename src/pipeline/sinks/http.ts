import type { Dispatcher } from 'undici'
import * as z from 'zod'
import type { Clock } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import { allWritten, type RecordFailure, SinkError, type SinkSpec, type WriteResult } from '../component.js'
import { duration } from '../quantity.js'
import { jsonOf, type PipelineRecord } from '../record.js'
import { contentOption } from './content.js'

const options = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'expected a URL that begins with http:// or https://' }),
  method: z.enum(['POST', 'PUT', 'PATCH']).default('POST'),
  headers: z.record(z.string(), z.string({ error: 'expected a header value in quotes' })).default({}),
  /** `array`: one request for a batch. `record`: one for each record. */
  body: z.enum(['array', 'record']).default('array'),
  content: contentOption,
  timeout: duration(1, 3_600_000).prefault('10s'),
  concurrency: z
    .int({ error: 'expected a whole number from 1 to 256' })
    .min(1, { error: 'expected a whole number from 1 to 256' })
    .max(256, { error: 'expected a whole number from 1 to 256' })
    .default(8),
})

export type HttpOptions = z.output<typeof options>

/** `http = { url = "https://…" }`: sends the records as JSON. */
export const http: SinkSpec<HttpOptions> = {
  kind: 'sink',
  name: 'http',
  summary: 'Sends a JSON array for each batch, or one request for each record, to a URL.',
  delivery: 'at-least-once',
  options,
  open(options, { clock }) {
    // undici is loaded with the first request: pipelines without HTTP do without it.
    let opened: Promise<Client> | undefined
    const client = () => {
      opened ??= openClient(options, clock)
      return opened
    }
    return {
      async write(batch, signal) {
        const { send } = await client()
        return options.body === 'array'
          ? sendArray(batch, send, options, signal)
          : sendEach(batch, send, options, signal)
      },
      async close() {
        await (await opened)?.close()
      },
    }
  },
}

/** Sends a body, resolves when it is taken, and throws a SinkError when not. */
type Send = (body: string, id: string, signal: AbortSignal) => Promise<void>

interface Client {
  send: Send
  close(): Promise<void>
}

/** Answers that say that a part of the array is at fault: it is halved until that part is found. */
const divisible = new Set([400, 413, 422])

class HttpStatusError extends SinkError {
  readonly status: number
  constructor(url: string, status: number, body: string, retryAfterMs: number | undefined) {
    const retry = status === 408 || status === 429 || status >= 500
    super(`${url} answered ${status}${body === '' ? '' : `: ${body}`}`, { retry, retryAfterMs })
    this.status = status
  }
}

async function sendArray(
  batch: readonly PipelineRecord[],
  send: Send,
  options: HttpOptions,
  signal: AbortSignal,
): Promise<WriteResult> {
  const failures: RecordFailure[] = []
  const sendRange = async (start: number, end: number): Promise<void> => {
    const part = batch.slice(start, end)
    try {
      await send(`[${part.map((record) => jsonOf(record, options.content)).join(',')}]`, idOf(part), signal)
    } catch (error) {
      if (!(error instanceof SinkError)) throw error
      if (error instanceof HttpStatusError && divisible.has(error.status) && part.length > 1) {
        const middle = start + (part.length >> 1)
        await sendRange(start, middle)
        await sendRange(middle, end)
        return
      }
      for (let index = start; index < end; index++) failures.push({ index, error })
    }
  }
  await sendRange(0, batch.length)
  return failures.length === 0 ? allWritten : { failures }
}

/** Records of one key one after the other, others beside each other. */
async function sendEach(
  batch: readonly PipelineRecord[],
  send: Send,
  options: HttpOptions,
  signal: AbortSignal,
): Promise<WriteResult> {
  const failures: RecordFailure[] = []
  const chains = new Map<string, number[]>()
  batch.forEach((record, index) => {
    const chain = record.key === null ? `#${index}` : `k${record.key.toString('latin1')}`
    const indexes = chains.get(chain)
    if (indexes === undefined) chains.set(chain, [index])
    else indexes.push(index)
  })
  const sendChain = async (indexes: readonly number[]): Promise<void> => {
    for (const [at, index] of indexes.entries()) {
      const record = batch[index]
      if (record === undefined) continue
      try {
        await send(jsonOf(record, options.content), idOf([record]), signal)
      } catch (error) {
        if (!(error instanceof SinkError)) throw error
        failures.push({ index, error })
        if (!error.retry) continue
        // Its successors would overtake it: they wait for the next try too.
        for (const successor of indexes.slice(at + 1)) failures.push({ index: successor, error })
        return
      }
    }
  }
  const waiting = [...chains.values()].values()
  const worker = async () => {
    for (const indexes of waiting) await sendChain(indexes)
  }
  await Promise.all(Array.from({ length: Math.min(options.concurrency, chains.size) }, worker))
  return { failures: failures.sort((a, b) => a.index - b.index) }
}

/** The same for the same records after a crash, so that a receiver can know what it has had (standard-webhooks). */
function idOf(records: readonly PipelineRecord[]): string {
  const [first, last] = [records[0], records.at(-1)]
  if (first === undefined || last === undefined) return ''
  const start = `${first.topic}/${first.partition}/${first.offset}`
  return records.length === 1 ? start : `${start}-${last.offset}`
}

async function openClient(options: HttpOptions, clock: Clock): Promise<Client> {
  const { Agent } = await import('undici')
  const agent = new Agent({ connections: options.concurrency, pipelining: 1 })
  const { origin, pathname, search, username, password } = new URL(options.url)
  // What is shown in logs and dead letters leaves out what may be secret.
  const shown = origin + pathname
  const headers = { 'content-type': 'application/json', ...basic(username, password), ...lowerCase(options.headers) }
  const enter = gate(options.concurrency)
  return {
    async send(body, id, signal) {
      const leave = await enter(signal)
      const limit = new AbortController()
      const abort = () => limit.abort(signal.reason)
      signal.addEventListener('abort', abort)
      const timer = clock.after(options.timeout, () => limit.abort(new TimeoutError()))
      try {
        const response = await agent.request({
          origin,
          path: pathname + search,
          method: options.method,
          headers: { 'webhook-id': id, ...headers },
          body,
          signal: limit.signal,
        })
        await check(response, shown)
      } catch (error) {
        if (signal.aborted || error instanceof SinkError) throw error
        const reason = error instanceof TimeoutError ? `no answer within ${options.timeout} ms` : messageOf(error)
        throw new SinkError(`${shown}: ${reason}`, { retry: true, cause: error })
      } finally {
        timer.cancel()
        signal.removeEventListener('abort', abort)
        leave()
      }
    },
    close: () => agent.destroy(),
  }
}

class TimeoutError extends Error {}

const bodyShownMax = 300

async function check({ statusCode, headers, body }: Dispatcher.ResponseData, url: string): Promise<void> {
  if (statusCode >= 200 && statusCode < 300) {
    await body.dump()
    return
  }
  let text = ''
  for await (const chunk of body) {
    text += String(chunk)
    if (text.length >= bodyShownMax) break
  }
  const retryAfter = headers['retry-after']
  throw new HttpStatusError(
    url,
    statusCode,
    text.slice(0, bodyShownMax).trim(),
    typeof retryAfter === 'string' ? retryAfterMs(retryAfter, headers.date) : undefined,
  )
}

/** `Retry-After` in milliseconds: seconds, or a date, which is compared with the server's own clock. */
function retryAfterMs(value: string, date: string | string[] | undefined): number | undefined {
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000
  const wait = Date.parse(value) - Date.parse(String(date))
  return Number.isNaN(wait) ? undefined : Math.max(0, wait)
}

function basic(username: string, password: string): Record<string, string> {
  if (username === '') return {}
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
}

function lowerCase(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

/** Lets so many in at a time, in order of arrival; the others wait outside. */
function gate(places: number): (signal: AbortSignal) => Promise<() => void> {
  let free = places
  const waiting: (() => void)[] = []
  const leave = () => {
    const next = waiting.shift()
    if (next === undefined) free++
    else next()
  }
  return async (signal) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    if (!signal.aborted) return leave
    leave()
    throw signal.reason
  }
}
