import * as z from 'zod'

/**
 * Every setting, declared once: its type, bounds, default and description. The table gives the check, the names in
 * the environment, the error lines, `config.toml` and the table in `docs/operations.md`.
 *
 * Meta besides the description: `expected` replaces the wording of an error, `secret` hides the value everywhere;
 * for a setting without a default `unset` says what holds then, and `sample` is a value to show.
 */

const port = () => z.int().min(0).max(65535)
const milliseconds = (min: number, max: number) => z.int().min(min).max(max)

/** The largest delay a Node.js timer can wait, some 24.8 days. */
const timerMsMax = 2 ** 31 - 1

export const heraclitusSection = z.strictObject({
  kafka_host: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'Address to listen on for Kafka clients.', sample: '0.0.0.0', unset: 'all interfaces' }),
  kafka_port: port().default(9092).describe('Port for Kafka clients; 0 takes any free port.'),
  advertised_host: z.string().min(1).optional().meta({
    description:
      "Host that clients are told to connect to: this instance's name as clients resolve it, or the load balancer's.",
    sample: 'kafka.example.com',
    unset: 'kafka_host if that is one address, else localhost',
  }),
  advertised_port: port().min(1).optional().meta({
    description: 'Port that clients are told to connect to.',
    sample: 9092,
    unset: 'the port this instance listens on',
  }),
  metrics_host: z.string().min(1).optional().meta({
    description: 'Address to listen on for /metrics and /health.',
    sample: '127.0.0.1',
    unset: 'all interfaces',
  }),
  metrics_port: port().default(9091).describe('Port for /metrics and /health; 0 takes any free port.'),
  node_id: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(1)
    .describe('Broker id in metadata. Instances behind one advertised address share one; unused with steering.'),
  rack: z.string().min(1).optional().meta({
    description: 'Where this instance stands, such as its availability zone, as clients are told (broker.rack).',
    sample: 'eu-central-1a',
    unset: 'clients are told of none',
  }),
  steering: z
    .boolean()
    .default(false)
    .describe(
      'Clients are told of all instances, and which of them to use for which partition and group, so that few write the same ' +
        'ledger. Each instance needs an advertised address of its own; behind one load balancer leave it off.',
    ),

  processes: z
    .int()
    .min(1)
    .max(256)
    .default(1)
    .describe('Processes that share the ports, each an instance of its own: one uses one core.'),

  sasl_enabled: z.boolean().default(false).describe('Clients must authenticate with SASL/PLAIN.'),
  sasl_plain_username: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'The SASL/PLAIN user name.', sample: 'admin', unset: 'an error if sasl_enabled' }),
  sasl_plain_password: z.string().min(1).optional().meta({
    description: 'The SASL/PLAIN password.',
    sample: 'admin-secret',
    unset: 'an error if sasl_enabled',
    secret: true,
  }),

  auto_create_topics: z
    .boolean()
    .default(true)
    .describe('A producer or consumer that names an unknown topic creates it (auto.create.topics.enable).'),
  default_partitions: z
    .int()
    .min(1)
    .max(10_000)
    .default(8)
    .describe('Partitions of a topic created without a number of its own (num.partitions).'),
  default_replication_factor: z
    .int()
    .min(1)
    .max(32_767)
    .default(1)
    .describe('Replication factor of a topic created without one. The object store keeps the copies: clients see one.'),

  group_min_session_timeout_ms: milliseconds(1, timerMsMax)
    .default(6_000)
    .describe('Shortest session timeout a group member may ask for (group.min.session.timeout.ms).'),
  group_max_session_timeout_ms: milliseconds(1, timerMsMax)
    .default(1_800_000)
    .describe('Longest session timeout a group member may ask for (group.max.session.timeout.ms).'),
  group_initial_rebalance_delay_ms: milliseconds(0, timerMsMax)
    .default(3_000)
    .describe(
      'How long an empty group waits for more members before its first rebalance. With 0 only those who come within ' +
        'some milliseconds of each other share it.',
    ),
  group_max_size: z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .default(2 ** 31 - 1)
    .describe('Most members of one group (group.max.size).'),
  offsets_retention_minutes: z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .default(10_080)
    .describe('Committed offsets of a group without members are kept so long (offsets.retention.minutes).'),

  connections_max: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Most client connections at once; further ones are closed at once.'),
  connections_max_idle_ms: milliseconds(1_000, timerMsMax)
    .default(600_000)
    .describe('A connection without a request for so long is closed (connections.max.idle.ms).'),
  socket_request_max_bytes: z
    .int()
    .min(1_024)
    .max(2 ** 31 - 1)
    .default(104_857_600)
    .describe('Largest request accepted, bytes (socket.request.max.bytes).'),

  shutdown_delay_ms: milliseconds(0, 300_000)
    .default(0)
    .describe(
      'Asked to stop, an instance goes on for so long with /readyz at 503 before it closes connections, so that a load ' +
        'balancer sends it no more.',
    ),

  log_level: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Least severe log lines to write.'),
})

export const storageSection = z.strictObject({
  url: z
    .string()
    .regex(/^(memory:|file:.+|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/.*)?)$/)
    .default('file:./data')
    .meta({
      description: 'Where everything is kept: file:<directory>, s3://<bucket>/<prefix>, or memory: (lost at exit).',
      expected: 'file:<directory>, s3://<bucket>/<prefix> or memory:',
    }),
  fsync: z
    .boolean()
    .default(true)
    .describe('file: only. Flush to the disk before a write is acknowledged; without it a power cut loses records.'),
  mmap: z
    .boolean()
    .default(true)
    .describe(
      'file: only. Send large pieces of files that are in the page cache without reading them, by mapping them into memory (Linux 6.5 or newer).',
    ),

  endpoint: z
    .string()
    .regex(/^https?:\/\/.+$/)
    .optional()
    .meta({
      description: 's3: only. Endpoint of a store other than AWS, such as http://localhost:9000.',
      expected: 'a URL that begins with http:// or https://',
      sample: 'http://localhost:9000',
      unset: 'AWS_ENDPOINT_URL, or AWS itself',
    }),
  region: z.string().min(1).optional().meta({
    description: 's3: only. Region of the bucket.',
    sample: 'us-east-1',
    unset: 'AWS_REGION; with an endpoint us-east-1',
  }),
  force_path_style: z.boolean().optional().meta({
    description: 's3: only. Name the bucket in the path rather than in the host name.',
    sample: true,
    unset: 'true if endpoint is set',
  }),

  ledgers: z
    .int()
    .min(1)
    .max(64)
    .optional()
    .meta({
      description:
        'Ledgers of the cluster, fixed when it is made: its partitions and groups are spread over them, so that they are ' +
        'written at the same time. Each costs puts of its own (docs/operations.md says when that is worth it).',
      sample: 1,
      unset: 'as many as the cluster has; a new one has 1',
    }),

  flush_interval_ms: milliseconds(0, 60_000)
    .optional()
    .meta({
      description:
        'Collect writes for so long before they are put together: on s3: what bounds the puts per second that are paid for ' +
        '(docs/cost.md). 0: as soon as the put before is under way.',
      sample: 100,
      unset: '0 for file: and memory:, 100 for s3:',
    }),
  flush_bytes: z
    .int()
    .min(64 * 1024)
    .max(256 * 1024 * 1024)
    .optional()
    .meta({
      description: 'Record bytes after which an entry is put without waiting longer.',
      sample: 4_128_768,
      unset: '4194304 for file: and memory:, 4128768 for s3:, so that an entry is below 4 MiB',
    }),
  max_inflight_entries: z.int().min(1).max(64).optional().meta({
    description: 'Ledger puts of this instance under way at once.',
    sample: 4,
    unset: '2 for file: and memory:, 4 for s3:',
  }),
  poll_interval_ms: milliseconds(1, 60_000).optional().meta({
    description: 'How often to look for what other instances write while they do; a tenth as often when they do not.',
    sample: 50,
    unset: '10 for file: and memory:, 50 for s3:',
  }),
  cache_bytes: z
    .int()
    .min(0)
    .max(2 ** 40)
    .default(64 * 1024 * 1024)
    .describe(
      'Memory for record bytes that are read again, bytes; reads under way may take half as much besides, and what waits to be used again one and a half times as much.',
    ),
  snapshot_entries: z
    .int()
    .min(1)
    .max(10_000_000)
    .default(1_000)
    .describe('A snapshot of the state is written after so many ledger entries.'),
  segment_bytes: z
    .int()
    .min(1024 * 1024)
    .max(512 * 1024 * 1024)
    .default(32 * 1024 * 1024)
    .describe(
      'Records of a partition are moved into segments of about so many bytes; one at a time is held in memory.',
    ),
  compact_interval_ms: milliseconds(1_000, timerMsMax)
    .default(30_000)
    .describe('How often to look for records to move into segments; what is younger than this stays where it is.'),
  compact_age_ms: milliseconds(1_000, timerMsMax)
    .default(30 * 60_000)
    .describe('Records that are older than this are moved into segments even if they do not fill one.'),
  dedupe_buffer_bytes: z
    .int()
    .min(1024 * 1024)
    .max(4 * 1024 * 1024 * 1024)
    .default(64 * 1024 * 1024)
    .describe(
      "Memory for the keys of a compacted topic's partition while it is cleaned, bytes: 32 for each key, and what does " +
        'not fit takes another round (log.cleaner.dedupe.buffer.size).',
    ),
  trim_grace_ms: milliseconds(60_000, timerMsMax)
    .default(60 * 60_000)
    .describe(
      'A ledger entry is deleted so long after a snapshot covers it. An instance that does not know the end of the ' +
        'ledger for a quarter of it (asleep, cut off) ends, to be started again. The same on all instances.',
    ),
})

/** The sections of `config.toml` and the environment prefix of each. `[[pipeline]]` is checked by the pipelines. */
export const sections = {
  heraclitus: { schema: heraclitusSection, environmentPrefix: 'HERACLITUS_' },
  storage: { schema: storageSection, environmentPrefix: 'HERACLITUS_STORAGE_' },
} as const

export type SectionName = keyof typeof sections
