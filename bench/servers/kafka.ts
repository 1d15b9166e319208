import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder, loadFolder } from '../folders.js'
import { answeringServer, freePort, type Server } from './server.js'

const run = promisify(execFile)

const log4j = `status = error
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = OUT
`

/** The settings that Kafka's own start script gives the JVM. */
const jvmOptions = [
  '-server',
  '-Xms1g',
  '-Xmx1g',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
]

/** Fetches Apache Kafka's jars by Maven, once; gives the class path and the version. */
export async function kafkaJars(): Promise<{ classPath: string; version: string; log4jOption: string }> {
  const pom = join(loadFolder, 'kafka/pom.xml')
  const text = await readFile(pom, 'utf8')
  const version = /<kafka\.version>(.*?)</.exec(text)?.[1] ?? 'unknown'
  const folder = join(cacheFolder, `kafka-${version}`)
  if (!existsSync(folder)) {
    process.stderr.write(`fetching Apache Kafka ${version}\n`)
    await mkdir(cacheFolder, { recursive: true })
    const part = await mkdtemp(join(cacheFolder, 'part-'))
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${part}`]
    await run('mvn', ['-B', '-q', '-f', pom, ...goal])
    await rename(part, folder)
  }
  const settings = join(cacheFolder, 'log4j2.properties')
  await writeFile(settings, log4j)
  return { classPath: join(folder, '*'), version, log4jOption: `-Dlog4j2.configurationFile=${settings}` }
}

/** Starts a broker that is its own controller, on loopback and an empty directory, and waits until it answers. */
export async function startKafka(parent = tmpdir()): Promise<Server> {
  const { classPath, log4jOption } = await kafkaJars()
  const folder = await mkdtemp(join(parent, 'heraclitus-bench-kafka-'))
  const [port, controllerPort] = [await freePort(), await freePort()]
  const settings = join(folder, 'server.properties')
  await writeFile(settings, properties(folder, port, controllerPort))
  const java = [log4jOption, '-cp', classPath]
  // Its first letter is not "-", which would be taken for an option.
  const clusterId = `b${randomBytes(16).toString('base64url').slice(1)}`
  await run('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', settings])

  const startedAt = performance.now()
  const child = spawn('java', [...jvmOptions, ...java, 'kafka.Kafka', settings], { stdio: ['ignore', 'pipe', 'pipe'] })
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const server = await answeringServer(child, port, startedAt, remove)
  // The log is forced to the disk after every record set.
  return { ...server, fsyncTopicConfig: [{ name: 'flush.messages', value: '1' }] }
}

/** One node with nothing to replicate to; otherwise Kafka's defaults, and deleted topics leave the disk soon. */
function properties(folder: string, port: number, controllerPort: number): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${folder}/log
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.segment.delete.delay.ms=1000
`
}
