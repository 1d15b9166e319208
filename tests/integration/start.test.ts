import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { externalBootstrap, startGateway } from './gateway.js'
import { repositoryRoot } from './tools.js'
import { connect } from './wire/wire-client.js'

/**
 * What a process loads is most of the time until it answers: each file costs a third of a millisecond. Node.js tells
 * what a process has loaded when it is asked for coverage.
 */
function coverage(t: TestContext): { environment: { NODE_V8_COVERAGE: string }; loaded(): string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'heraclitus-coverage-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return {
    environment: { NODE_V8_COVERAGE: folder },
    loaded: () =>
      readdirSync(folder).flatMap((name) => {
        const report = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { result: { url: string }[] }
        return report.result.map(({ url }) => url)
      }),
  }
}

function packagesOf(urls: readonly string[]): Set<string> {
  return new Set(urls.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []))
}

const skip = externalBootstrap ? 'it looks into a gateway of its own' : false

test('a start on a directory loads no package and no part that it can do without', { skip }, async (t) => {
  const { environment, loaded } = coverage(t)
  const gateway = await startGateway({ env: environment })
  t.after(() => gateway.stop())
  await connect(t, gateway.port)
  assert.equal(await gateway.terminate(), 0)
  const urls = loaded()
  assert.ok(urls.some((url) => url.endsWith('/src/gateway.js')))
  // Among those that wait for their use: the AWS SDK, codecs, what pipelines need, what reads TOML and prints metrics.
  const { dependencies } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'))
  const ours = Object.keys(dependencies).filter((name) => packagesOf(urls).has(name))
  assert.deepEqual(ours, ['crc-32', 'msgpackr', 'pino', 'zod'])
  const parts = ['/src/pipeline/', '/src/cli/commands/', '/src/processes/supervise.js', '/src/state/store/s3.js']
  for (const part of parts)
    assert.deepEqual(
      urls.filter((url) => url.includes(part)),
      [],
    )
})
