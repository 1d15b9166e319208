import { spawnSync } from 'node:child_process'
import type { Client } from './loads.js'

/** What each client's load program is made with. */
const needs: Record<Client, readonly string[]> = {
  'franz-go': ['go'],
  librdkafka: ['python3'],
  java: ['java', 'mvn'],
  kafkajs: [],
}

/** The programs that are not on this machine of those that a client's load, Kafka or the scenarios need. */
export function missingFor(what: Client | 'Apache Kafka' | 'scenarios'): string[] {
  const needed = what === 'Apache Kafka' ? needs.java : what === 'scenarios' ? needs['franz-go'] : needs[what]
  return needed.filter((program) => !isThere(program))
}

function isThere(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$0"', program]).status === 0
}
