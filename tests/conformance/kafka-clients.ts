import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { inflateRawSync } from 'node:zlib'
import { cacheDirectory } from '../integration/tools.js'

const kafkaVersion = '4.3.1'

/**
 * The path of Kafka's own client library: `KAFKA_CLIENTS_JAR`, or as install.sh left it, or
 * fetched once from Maven Central by `mvn`.
 * @throws Error when neither is possible.
 */
export function kafkaClientsJar(): string {
  const given = process.env.KAFKA_CLIENTS_JAR
  if (given === undefined) return fetchJar('org.apache.kafka', 'kafka-clients', kafkaVersion)
  if (!existsSync(given)) throw new Error(`KAFKA_CLIENTS_JAR names ${given}, which does not exist`)
  return given
}

/**
 * The path of the logging facade without which Kafka's classes don't load.
 * @throws Error when it can't be fetched.
 */
export function slf4jJar(): string {
  return fetchJar('org.slf4j', 'slf4j-api', '1.7.36')
}

function fetchJar(group: string, artifact: string, version: string): string {
  const name = `${artifact}-${version}.jar`
  const path = join(cacheDirectory, name)
  const installed = join(cacheDirectory, `kafka-clients-${kafkaVersion}`, name)
  for (const candidate of [installed, path]) if (existsSync(candidate)) return candidate
  mkdirSync(cacheDirectory, { recursive: true })
  // Fetched beside and renamed, as another test may be fetching the same.
  const directory = mkdtempSync(join(cacheDirectory, 'fetch-'))
  try {
    const coordinates = `-Dartifact=${group}:${artifact}:${version}`
    const options = ['-q', '-B', 'dependency:copy', coordinates, `-DoutputDirectory=${directory}`]
    execFileSync('mvn', options, { cwd: directory, stdio: 'pipe', timeout: 120_000 })
    renameSync(join(directory, name), path)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  return path
}

/** The files of a jar (a zip) that `wanted` chooses by name. Reads the central directory; no zip64, no encryption. */
export function readJar(path: string, wanted: (name: string) => boolean): Map<string, Buffer> {
  const jar = readFileSync(path)
  const end = jar.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  if (end < 0) throw new Error(`${path} is no zip file`)
  const files = new Map<string, Buffer>()
  let at = jar.readUInt32LE(end + 16)
  for (let left = jar.readUInt16LE(end + 10); left > 0; left--) {
    const nameLength = jar.readUInt16LE(at + 28)
    const name = jar.toString('utf8', at + 46, at + 46 + nameLength)
    if (wanted(name)) files.set(name, extract(jar, at))
    at += 46 + nameLength + jar.readUInt16LE(at + 30) + jar.readUInt16LE(at + 32)
  }
  return files
}

/** The content of the file whose entry in the central directory is at `entry`. */
function extract(jar: Buffer, entry: number): Buffer {
  const method = jar.readUInt16LE(entry + 10)
  const size = jar.readUInt32LE(entry + 20)
  const header = jar.readUInt32LE(entry + 42)
  const start = header + 30 + jar.readUInt16LE(header + 26) + jar.readUInt16LE(header + 28)
  const content = jar.subarray(start, start + size)
  if (method === 0) return content
  if (method === 8) return inflateRawSync(content)
  throw new Error(`compression method ${method}`)
}
