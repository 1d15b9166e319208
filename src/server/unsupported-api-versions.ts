import type { AnyApi } from '../protocol/api.js'
import { ErrorCode } from '../protocol/error-codes.js'
import { writeResponse } from '../protocol/frame.js'
import { ApiVersions } from '../protocol/messages/api-versions.js'

/**
 * The answer to an ApiVersions request of a version we don't know: in version 0, which every client can read, with
 * UNSUPPORTED_VERSION and the versions of ApiVersions itself, so that the client asks again (KIP-511).
 */
export function unsupportedApiVersions(correlationId: number, api: AnyApi): Buffer[] {
  const [minVersion, maxVersion] = api.versions
  return writeResponse(ApiVersions, 0, correlationId, {
    errorCode: ErrorCode.UNSUPPORTED_VERSION,
    apiKeys: [{ apiKey: api.key, minVersion, maxVersion }],
  })
}
