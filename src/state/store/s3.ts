import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3'
import { StoreError } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import { checkKey, checkPrefix } from './keys.js'
import type { ByteRange, ListedObject, ListOptions, ObjectStore, PutOutcome, StoredObject } from './object-store.js'
import { errorWithin, failureOf, s3Error } from './s3-errors.js'

export interface S3StoreOptions {
  /** `s3://<bucket>` or `s3://<bucket>/<prefix>`. */
  url: string
  /** Another server than AWS; by default `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`. */
  endpoint?: string
  /** By default `AWS_REGION`, else what the AWS configuration file says, else with an endpoint `us-east-1`. */
  region?: string
  /** `http://server/bucket/key` rather than `http://bucket.server/key`; by default with an endpoint. */
  forcePathStyle?: boolean
  /** By default the standard AWS sources: environment, configuration files, container and instance roles. */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
  /** Connections at once; `purposes.ts` shares them out. */
  socketsMax?: number
  connectionTimeoutMs?: number
  /** From the request's first byte to the answer's head, and between two bytes of the answer's body. */
  requestTimeoutMs?: number
  /** Where the `AWS_…` variables are looked up; the process's own environment by default. */
  environment?: Readonly<Record<string, string | undefined>>
  log: Log
}

/** S3's own limit of a page of a listing, and of the keys of one DeleteObjects. */
const pageMax = 1000
/** Single deletions at once, where the server has no DeleteObjects. */
const deletionsMax = 16

/**
 * Objects in a bucket of S3 or of a server that speaks its protocol, below a prefix. Create-if-absent is
 * `If-None-Match: *`; `checkConditionalPut` proves that the server keeps it.
 *
 * No request is repeated here: what a repetition means is known to the caller alone.
 * @throws Error when the URL is not one of S3.
 */
export function s3Store(options: S3StoreOptions): ObjectStore {
  return new S3Store(options)
}

class S3Store implements ObjectStore {
  readonly kind = 'paid'
  readonly url: string
  readonly #bucket: string
  readonly #prefix: string
  readonly #client: S3Client
  #deletesSingly = false

  constructor(options: S3StoreOptions) {
    const { bucket, prefix } = placeOf(options.url)
    this.url = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`
    this.#bucket = bucket
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.#client = new S3Client(clientConfigOf(options))
    this.#client.middlewareStack.add(
      (next, { commandName }) =>
        (request) => {
          if (commandName === 'PutObjectCommand') leaveBodyUnsigned(request.request)
          return next(request)
        },
      { step: 'build', name: 'leaveBodyUnsigned' },
    )
  }

  async putIfAbsent(key: string, body: readonly Uint8Array[]): Promise<PutOutcome> {
    checkKey(key)
    const [only, ...more] = body
    const Body = only !== undefined && more.length === 0 ? only : Buffer.concat(body)
    try {
      await this.#client.send(
        new PutObjectCommand({ ...this.#at(key), Body, ContentLength: Body.length, IfNoneMatch: '*' }),
      )
      return 'created'
    } catch (error) {
      if (failureOf(error).status === 412) return 'exists'
      throw s3Error('put', key, error)
    }
  }

  async get(key: string, range?: ByteRange): Promise<StoredObject | undefined> {
    checkKey(key)
    try {
      // An empty range can't be asked for: ask for one byte, and leave it.
      const last = range === undefined ? 0 : range.position + Math.max(range.length, 1) - 1
      const Range = range === undefined ? {} : { Range: `bytes=${range.position}-${last}` }
      const answer = await this.#client.send(new GetObjectCommand({ ...this.#at(key), ...Range }))
      const bytes = await bytesOf(key, answer)
      const size = sizeOf(answer) ?? bytes.length
      // A server that knows no ranges answers with the whole object.
      if (range !== undefined && answer.ContentRange === undefined)
        return { bytes: bytes.subarray(range.position, range.position + range.length), size }
      return { bytes: range === undefined ? bytes : bytes.subarray(0, range.length), size }
    } catch (error) {
      const { status, code } = failureOf(error)
      if (status === 404 && code !== 'NoSuchBucket') return undefined
      if (status === 416) return this.#nothingOf(key)
      throw s3Error('get', key, error)
    }
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListedObject> {
    checkPrefix(prefix)
    const { after, limit = Number.POSITIVE_INFINITY } = options
    const Prefix = this.#prefix + prefix
    let left = limit
    let token: string | undefined
    while (left > 0) {
      let page: ListObjectsV2CommandOutput
      try {
        page = await this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix,
            MaxKeys: Math.min(left, pageMax),
            ...(after === undefined || after === '' ? {} : { StartAfter: this.#prefix + after }),
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        )
      } catch (error) {
        throw s3Error('list', prefix, error)
      }
      for (const { Key, Size } of page.Contents ?? []) {
        // Folder markers, which some consoles make, are no objects of ours.
        if (Key === undefined || Key.endsWith('/')) continue
        yield { key: Key.slice(this.#prefix.length), size: Size ?? 0 }
        left--
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined
      if (token === undefined) return
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key)
    for (let start = 0; start < keys.length; start += pageMax) {
      const page = keys.slice(start, start + pageMax)
      if (this.#deletesSingly || page.length === 1) await this.#deleteSingly(page)
      else await this.#deleteTogether(page)
    }
  }

  async close(): Promise<void> {
    this.#client.destroy()
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key }
  }

  /** The answer to a range that lies past the end: no bytes, and the size. */
  async #nothingOf(key: string): Promise<StoredObject | undefined> {
    try {
      const head = await this.#client.send(new HeadObjectCommand(this.#at(key)))
      return { bytes: Buffer.alloc(0), size: head.ContentLength ?? 0 }
    } catch (error) {
      if (failureOf(error).status === 404) return undefined
      throw s3Error('get', key, error)
    }
  }

  async #deleteTogether(keys: readonly string[]): Promise<void> {
    const first = keys[0] ?? ''
    try {
      const Objects = keys.map((key) => ({ Key: this.#prefix + key }))
      const answer = await this.#client.send(
        new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects, Quiet: true } }),
      )
      const refused = (answer.Errors ?? []).filter(({ Code }) => Code !== 'NoSuchKey')
      const [worst] = refused
      if (worst === undefined) return
      throw s3Error(`delete of ${refused.length} of ${keys.length} objects`, worst.Key ?? first, errorWithin(worst))
    } catch (error) {
      const { status } = failureOf(error)
      if (status !== 400 && status !== 405 && status !== 501) throw s3Error('delete', first, error)
      // Some servers have no DeleteObjects, or not with the checksum that the SDK sends.
      await this.#deleteSingly(keys)
      this.#deletesSingly = true
    }
  }

  async #deleteSingly(keys: readonly string[]): Promise<void> {
    let next = 0
    const work = async () => {
      for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
        try {
          await this.#client.send(new DeleteObjectCommand(this.#at(key)))
        } catch (error) {
          const { status, code } = failureOf(error)
          if (status !== 404 || code === 'NoSuchBucket') throw s3Error('delete', key, error)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(deletionsMax, keys.length) }, work))
  }
}

function placeOf(url: string): { bucket: string; prefix: string } {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/((?:[A-Za-z0-9._-]+\/)*[A-Za-z0-9._-]+)?\/?)?$/.exec(
    url,
  )
  const [, bucket, prefix = ''] = match ?? []
  if (bucket === undefined || prefix.length > 500)
    throw new Error(`bad storage URL '${url}': expected s3://<bucket> or s3://<bucket>/<prefix>`)
  return { bucket, prefix }
}

function clientConfigOf(options: S3StoreOptions): S3ClientConfig {
  const {
    environment = process.env,
    socketsMax = 128,
    connectionTimeoutMs = 3_000,
    requestTimeoutMs = 10_000,
  } = options
  const endpoint = options.endpoint ?? environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL
  const region =
    options.region ?? environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION ?? (endpoint ? 'us-east-1' : undefined)
  const agent = { keepAlive: true, maxSockets: socketsMax, scheduling: 'lifo' } as const
  const note = (...parts: unknown[]) => options.log.warn(`S3 client: ${parts.map(String).join(' ')}`)
  const nothing = () => {}
  // Failed requests are thrown as well, and reported by whoever made them.
  const logger = { trace: nothing, debug: nothing, info: nothing, warn: note, error: nothing }
  return {
    ...(endpoint ? { endpoint } : {}),
    ...(region ? { region } : {}),
    ...(options.credentials ? { credentials: options.credentials } : {}),
    forcePathStyle: options.forcePathStyle ?? Boolean(endpoint),
    maxAttempts: 1,
    // Our objects carry checksums of their own; a bucket that demands one more says so by this variable.
    requestChecksumCalculation:
      environment.AWS_REQUEST_CHECKSUM_CALCULATION === 'WHEN_SUPPORTED' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    logger,
    requestHandler: {
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: connectionTimeoutMs,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: requestTimeoutMs,
      // Requests beyond the sockets wait, on purpose: nothing to warn of.
      socketAcquisitionWarningTimeout: 0x7fffffff,
      logger,
    },
  }
}

/**
 * Over TLS the body needs no hash of its own in the request's signature, which would cost as much CPU again as the
 * encryption. (`UNSIGNED-PAYLOAD`, as the AWS SDK for Java does by default.)
 */
export function leaveBodyUnsigned(request: unknown): void {
  const { protocol, headers } = request as { protocol?: string; headers?: Record<string, string> }
  if (protocol === 'https:' && headers !== undefined) headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
}

function sizeOf(answer: GetObjectCommandOutput): number | undefined {
  const total = answer.ContentRange?.split('/')[1]
  return total === undefined || total === '*' ? answer.ContentLength : Number(total)
}

/** The answer's body: all of it, or an error. */
async function bytesOf(key: string, answer: GetObjectCommandOutput): Promise<Buffer> {
  const expected = answer.ContentLength
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of (answer.Body ?? []) as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
  }
  if (expected !== undefined && length !== expected)
    throw new StoreError(`get failed: the answer ended after ${length} of ${expected} bytes`, { key, retry: true })
  return Buffer.concat(chunks, length)
}
