import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, boolean, int8, int16, int32, string } from '../schema.js'

/**
 * DescribeConfigs, v1–4. The configuration of topics (resourceType 2), brokers (4), and others.
 * v3: includeDocumentation, configType, documentation (KIP-569). v4: flexible.
 */
export const DescribeConfigs = api(32, 'DescribeConfigs', {
  versions: [1, 4],
  flexible: 4,
  request: {
    resources: array({
      resourceType: int8,
      resourceName: string,
      configurationKeys: array(string).orNull(),
    }),
    includeSynonyms: boolean.default(false),
    includeDocumentation: boolean.default(false).since(3),
  },
  response: {
    throttleTimeMs: int32.default(0),
    results: array({
      errorCode: int16,
      errorMessage: string.orNull().default(null),
      resourceType: int8,
      resourceName: string,
      configs: array({
        name: string,
        value: string.orNull(),
        readOnly: boolean,
        configSource: int8.default(-1),
        isSensitive: boolean,
        synonyms: array({
          name: string,
          value: string.orNull(),
          source: int8,
        }),
        configType: int8.default(0).since(3),
        documentation: string.orNull().default(null).since(3),
      }),
    }),
  },
})

export type DescribeConfigsRequest = DecodedOf<typeof DescribeConfigs.request>
export type DescribeConfigsResponse = EncodableOf<typeof DescribeConfigs.response>
