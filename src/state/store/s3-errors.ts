import { StoreError } from '../../base/errors.js'

/** What is known of a failed S3 request, whatever layer of the SDK reported it. */
export interface S3Failure {
  /** S3's error code (`NoSuchKey`), or the SDK's or the system's name of the failure (`TimeoutError`, `ECONNRESET`). */
  code: string
  /** HTTP status; 0 when no answer came. */
  status: number
  message: string
}

/** Codes that S3 documents with a 4xx status and that nevertheless pass by themselves. */
const passing = new Set([
  'ConditionalRequestConflict',
  'OperationAborted',
  'RequestTimeout',
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
])
const throttling = new Set(['SlowDown', 'ServiceUnavailable', 'Throttling', 'ThrottlingException', 'TooManyRequests'])

/** Says what an operator can do about a failure that lasts. */
const advice: Record<string, string> = {
  AccessDenied:
    'check that the credentials may do s3:GetObject, s3:PutObject, s3:DeleteObject on the prefix and s3:ListBucket on the bucket',
  InvalidAccessKeyId: 'check AWS_ACCESS_KEY_ID',
  SignatureDoesNotMatch: 'check AWS_SECRET_ACCESS_KEY, and that no proxy changes the Host header',
  NoSuchBucket: 'the bucket must exist: check its name and AWS_ENDPOINT_URL',
  PermanentRedirect: 'the bucket is in another region: check AWS_REGION',
  AuthorizationHeaderMalformed: 'the bucket is in another region: check AWS_REGION',
  RequestTimeTooSkewed: "this machine's clock is wrong",
  NotImplemented: 'the server has no conditional writes (If-None-Match: *), which Heraclitus needs',
  CredentialsProviderError: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or another source of AWS credentials',
}

/** What the SDK threw, in one shape. */
export function failureOf(error: unknown): S3Failure {
  if (!(error instanceof Error)) return { code: 'unknown', status: 0, message: String(error) }
  const { name, message, code, Code, $metadata, $response } = error as Error & {
    code?: unknown
    Code?: unknown
    $metadata?: { httpStatusCode?: number }
    $response?: { statusCode?: number }
  }
  const named = [Code, code, name].find((candidate) => typeof candidate === 'string' && candidate !== '')
  return {
    code: String(named ?? 'unknown'),
    status: $metadata?.httpStatusCode ?? $response?.statusCode ?? 0,
    message: message || name,
  }
}

/** A failed request as a store error: whether it may pass, and what to check if it will not. */
export function s3Error(operation: string, key: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const { code, status, message } = failureOf(error)
  const slowDown = status === 503 || status === 429 || throttling.has(code)
  // Without an answer nothing is known, which a later attempt may change; that includes credentials not yet there.
  const retry = slowDown || status === 0 || status === 408 || status === 409 || (status >= 500 && status !== 501)
  const hint = advice[code] ?? (status === 403 ? advice.AccessDenied : undefined)
  const parts = [
    `${operation} failed: ${code}${status === 0 ? '' : ` (${status})`}${message === code ? '' : `: ${message}`}`,
    ...(hint === undefined ? [] : [hint]),
  ]
  return new StoreError(parts.join('; '), { key, retry: retry || passing.has(code), slowDown, cause: error })
}

type Listed = { Code?: string | undefined; Message?: string | undefined }

/** An error that S3 reports of one object within an answer that is itself a success, as DeleteObjects does. */
export function errorWithin({ Code = 'unknown', Message = 'refused' }: Listed): Error {
  const httpStatusCode = Code === 'InternalError' ? 500 : throttling.has(Code) ? 503 : 400
  return Object.assign(new Error(Message), { Code, $metadata: { httpStatusCode } })
}
