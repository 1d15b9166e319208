import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, boolean, int16, int32, int64, string } from '../schema.js'

/**
 * ApiVersions, v0–4. Which APIs in which versions this broker serves; the first request of most clients.
 * A version we don't know is answered in v0, with UNSUPPORTED_VERSION and the range of this API (KIP-511).
 * The response header stays v0 in every version.
 * v1: throttleTimeMs. v3: flexible, the client's name and version (KIP-511), features (KIP-584).
 * v4: a feature's minVersion may be 0 (KAFKA-17011).
 */
export const ApiVersions = api(18, 'ApiVersions', {
  versions: [0, 4],
  flexible: 3,
  request: {
    clientSoftwareName: string.since(3),
    clientSoftwareVersion: string.since(3),
  },
  response: {
    errorCode: int16,
    apiKeys: array({
      apiKey: int16,
      minVersion: int16,
      maxVersion: int16,
    }),
    throttleTimeMs: int32.default(0).since(1),
    supportedFeatures: array({
      name: string,
      minVersion: int16,
      maxVersion: int16,
    }).tagged(0, 3),
    finalizedFeaturesEpoch: int64.default(-1).tagged(1, 3),
    finalizedFeatures: array({
      name: string,
      maxVersionLevel: int16,
      minVersionLevel: int16,
    }).tagged(2, 3),
    zkMigrationReady: boolean.default(false).tagged(3, 3),
  },
})

export type ApiVersionsRequest = DecodedOf<typeof ApiVersions.request>
export type ApiVersionsResponse = EncodableOf<typeof ApiVersions.response>
