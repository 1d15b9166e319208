import { ErrorCode } from '../../protocol/error-codes.js'
import { ApiVersions } from '../../protocol/messages/api-versions.js'
import { handle } from '../handler.js'

/**
 * ApiVersions, v0–4. Which APIs in which versions this server answers: exactly those that have a handler.
 * A version that isn't known is answered before it comes here, see `unsupported-api-versions.ts`.
 * v3: the client's software; refused when it isn't a name, as Kafka does (KIP-511).
 */
export const apiVersions = handle(ApiVersions, (request, { apiVersion, served }) => ({
  errorCode:
    apiVersion >= 3 && !(isSoftware(request.clientSoftwareName) && isSoftware(request.clientSoftwareVersion))
      ? ErrorCode.INVALID_REQUEST
      : ErrorCode.NONE,
  apiKeys: served.map((api) => ({ apiKey: api.key, minVersion: api.advertisedFrom, maxVersion: api.versions[1] })),
}))

/** Kafka's `ApiVersionsRequest.SOFTWARE_NAME_VERSION_PATTERN`. */
function isSoftware(text: string): boolean {
  return /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/.test(text)
}
