import { isIPv6 } from 'node:net'
import { type Config, loadConfig } from '../config.js'
import { UsageError } from './arguments.js'
import { type Connection, openConnection } from './client/connection.js'
import type { Terminal } from './terminal.js'

export interface GatewayOptions {
  bootstrap?: string | undefined
  config?: string | undefined
}

/**
 * Connects to the gateway that the options name, else to the one that the configuration describes, with the
 * configured SASL credentials if SASL is enabled; gives the connection to `use` and closes it.
 * @throws UsageError, ConfigError, ConnectionError, KafkaError
 */
export async function withGateway<Result>(
  options: GatewayOptions,
  terminal: Terminal,
  use: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const config = loadConfig({ path: options.config, environment: terminal.environment })
  const connection = await openConnection({
    ...address(options.bootstrap, config),
    sasl: credentials(config),
    clock: terminal.clock,
  })
  try {
    return await use(connection)
  } finally {
    connection.close()
  }
}

function address(bootstrap: string | undefined, { heraclitus }: Config): { host: string; port: number } {
  if (bootstrap === undefined) {
    const isOneAddress = heraclitus.kafkaHost && heraclitus.kafkaHost !== '0.0.0.0' && heraclitus.kafkaHost !== '::'
    return { host: isOneAddress ? (heraclitus.kafkaHost ?? '') : 'localhost', port: heraclitus.kafkaPort || 9092 }
  }
  const [, bracketed, plain, port = '9092'] = /^(?:\[(.+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(bootstrap) ?? []
  const host = isIPv6(bootstrap) ? bootstrap : (bracketed ?? plain)
  if (host === undefined || Number(port) > 65535) throw new UsageError(`--bootstrap ${bootstrap}: expected HOST:PORT`)
  return { host, port: Number(port) }
}

function credentials({ heraclitus }: Config): { username: string; password: string } | undefined {
  const { saslEnabled, saslPlainUsername, saslPlainPassword } = heraclitus
  if (!saslEnabled || saslPlainUsername === undefined || saslPlainPassword === undefined) return undefined
  return { username: saslPlainUsername, password: saslPlainPassword }
}
