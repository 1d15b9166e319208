import { ErrorCode } from '../../protocol/error-codes.js'
import {
  DescribeConfigs,
  type DescribeConfigsRequest,
  type DescribeConfigsResponse,
} from '../../protocol/messages/describe-configs.js'
import { topicNameProblem } from '../../state/topic-name.js'
import { ownBroker } from '../brokers.js'
import { type DescribedConfig, describeBrokerConfigs, describeTopicConfigs } from '../described-configs.js'
import { handle, type RequestContext } from '../handler.js'

/** Kafka's `ConfigResource.Type`. */
const ResourceType = { topic: 2, broker: 4 } as const

/**
 * DescribeConfigs, v1–4. The configurations of topics, and those of this instance that it obeys.
 * v3: types and documentation (KIP-569).
 */
export const describeConfigs = handle(DescribeConfigs, async (request, context): Promise<DescribeConfigsResponse> => {
  const { topics } = context.cluster
  const isTopic = (resource: ResourceRequest) => resource.resourceType === ResourceType.topic
  if (request.resources.some((resource) => isTopic(resource) && topics.byName(resource.resourceName) === undefined))
    await context.cluster.topics.barrier()
  return {
    results: request.resources.map((resource) => {
      const { resourceType, resourceName, configurationKeys } = resource
      const found = configsOf(resource, context)
      if ('errorCode' in found) return { ...found, resourceType, resourceName, configs: [] }
      return {
        errorCode: ErrorCode.NONE,
        resourceType,
        resourceName,
        configs: found
          .filter(({ name }) => configurationKeys === null || configurationKeys.includes(name))
          .map((config) => ({
            ...config,
            synonyms: request.includeSynonyms ? config.synonyms : [],
            documentation: request.includeDocumentation ? config.documentation : null,
          })),
      }
    }),
  }
})

type ResourceRequest = DescribeConfigsRequest['resources'][number]

function configsOf(
  { resourceType, resourceName }: ResourceRequest,
  context: RequestContext,
): DescribedConfig[] | { errorCode: ErrorCode; errorMessage: string | null } {
  switch (resourceType) {
    case ResourceType.topic: {
      const problem = topicNameProblem(resourceName)
      if (problem !== undefined) return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, errorMessage: problem }
      const topic = context.cluster.topics.byName(resourceName)
      if (topic === undefined) return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: null }
      return describeTopicConfigs(topic.configs)
    }
    case ResourceType.broker: {
      const { nodeId } = ownBroker(context)
      // Without a name it asks for defaults that were set for all brokers, of which there are none.
      if (resourceName === '') return []
      if (resourceName !== String(nodeId))
        return {
          errorCode: ErrorCode.INVALID_REQUEST,
          errorMessage: `Unexpected broker id, expected ${nodeId} or empty string, but received ${resourceName}`,
        }
      return describeBrokerConfigs({ ...context.config, nodeId })
    }
    default:
      return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `Unsupported resource type: ${resourceType}` }
  }
}
