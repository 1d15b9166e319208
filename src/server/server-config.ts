/** The settings that the server and its handlers obey; `main` fills it from the configuration. */
export interface ServerConfig {
  /** Broker id in metadata. */
  readonly nodeId: number
  /** Where clients are told to connect. */
  readonly advertisedHost: string
  readonly advertisedPort: number
  /** Where this instance stands, as clients are told (`broker.rack`). */
  readonly rack?: string | undefined
  /** Whether a Metadata request that names an unknown topic creates it (`auto.create.topics.enable`). */
  readonly autoCreateTopics: boolean
  /** Partitions of a topic created without a number of its own (`num.partitions`). */
  readonly defaultPartitions: number
  /** Replication factor of a topic created without one (`default.replication.factor`). */
  readonly defaultReplicationFactor: number
  /** Whether clients must authenticate with SASL/PLAIN. */
  readonly saslEnabled: boolean
  readonly saslPlainUsername: string | undefined
  readonly saslPlainPassword: string | undefined
}
