import type { ServerConfig } from '../../src/server/server-config.js'

/** An instance on this machine that makes nothing by itself and lets everybody in. */
export const plainServerConfig: ServerConfig = {
  nodeId: 1,
  advertisedHost: 'localhost',
  advertisedPort: 9092,
  autoCreateTopics: false,
  defaultPartitions: 1,
  defaultReplicationFactor: 1,
  saslEnabled: false,
  saslPlainUsername: undefined,
  saslPlainPassword: undefined,
}
