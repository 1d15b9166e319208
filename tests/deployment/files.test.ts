import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { repositoryRoot } from '../integration/tools.js'
import { findTool, run } from './tools.js'

/** Dockerfile, compose file and HAProxy's configuration, as far as they can be checked without a Docker daemon. */

const hadolint = await findTool('hadolint', 'deployment/bin/hadolint')
const composeGo = await findTool('compose-go', 'bin/compose-go-v2.16.2')
const haproxy = await findTool('haproxy', 'bin/haproxy')
const composeFolder = join(repositoryRoot, 'deploy/compose')

interface Service {
  build?: { context: string }
  image: string
  environment?: Record<string, string>
  stop_grace_period?: string
  volumes?: { type: string; source: string; target: string }[]
  command?: string[]
}

test('hadolint finds nothing wrong with the Dockerfile', { skip: hadolint.skip }, async () => {
  const { code, stdout, stderr } = await run(hadolint.tool as string, ['Dockerfile'], { cwd: repositoryRoot })
  assert.equal(code, 0, stdout + stderr)
})

test('the compose file is understood, and the files that it names are there', { skip: composeGo.skip }, async () => {
  // The library that `docker compose` reads such files with; it takes paths from the working directory.
  const { code, stdout, stderr } = await run(composeGo.tool as string, ['-format', 'json', 'compose.yaml'], {
    cwd: composeFolder,
  })
  assert.equal(code, 0, stdout + stderr)
  const { services } = JSON.parse(stdout) as { services: Record<string, Service> }
  assert.deepEqual(
    new Set(Object.keys(services)),
    new Set(['bucket', 'grafana', 'haproxy', 'heraclitus', 'prometheus', 's3']),
  )
  const mounted: [string, string][] = []
  for (const { build, volumes = [] } of Object.values(services)) {
    if (build) assert.ok(existsSync(join(build.context, 'Dockerfile')), build.context)
    for (const { type, source, target } of volumes)
      if (type === 'bind') {
        assert.ok(existsSync(source), source)
        mounted.push([source, target])
      }
  }
  // What commands and settings refer to is mounted there.
  const { haproxy, prometheus, grafana, heraclitus } = services
  const wanted = [
    ...(haproxy?.command ?? []),
    ...(prometheus?.command ?? []),
    ...Object.values(grafana?.environment ?? {}),
  ].flatMap((text) => text.match(/\/etc\/\S+/) ?? [])
  assert.equal(wanted.length, 4)
  for (const path of wanted) {
    const [source, target] = mounted.find(([, at]) => path.startsWith(at)) ?? assert.fail(`${path} is not mounted`)
    assert.ok(existsSync(join(source, path.slice(target.length))), path)
  }
  const delayMs = Number(heraclitus?.environment?.HERACLITUS_SHUTDOWN_DELAY_MS)
  const graceMs = 1_000 * Number(/^(\d+)s$/.exec(heraclitus?.stop_grace_period ?? '')?.[1])
  assert.ok(graceMs > delayMs + 30_000, 'a stop may take 30 s after the delay')
  const known = readFileSync(join(repositoryRoot, 'docs/operations.md'), 'utf8')
  for (const name of Object.keys(heraclitus?.environment ?? {}))
    assert.ok(name.startsWith('AWS_') || known.includes(`\`${name}\``), name)
})

for (const servers of ['deploy/haproxy/servers-dns.cfg', 'examples/cluster/servers.cfg'])
  test(`HAProxy understands its configuration with ${servers}`, { skip: haproxy.skip }, async () => {
    const env: Record<string, string> = { KAFKA_BIND: '127.0.0.1:9092', STATUS_BIND: '127.0.0.1:8404' }
    for (const n of [1, 2, 3, 4]) Object.assign(env, { [`KAFKA_PORT_${n}`]: '9093', [`METRICS_PORT_${n}`]: '9094' })
    const args = ['-c', '-f', 'deploy/haproxy/haproxy.cfg', '-f', servers]
    const { code, stdout, stderr } = await run(haproxy.tool as string, args, { cwd: repositoryRoot, env })
    assert.equal(code, 0, stdout + stderr)
    assert.doesNotMatch(stdout + stderr, /WARNING|ALERT/)
  })
