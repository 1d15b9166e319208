import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { externalBootstrap, startGateway } from './gateway.js'
import { buildRoot, repositoryRoot } from './tools.js'
import { connect } from './wire/wire-client.js'

/**
 * What a process loads is most of the time until it answers. Node.js tells what that was when it is asked for coverage;
 * the modules are loaded one by one then.
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
  assert.deepEqual(ours, ['msgpackr', 'pino', 'zod'])
  const parts = ['/src/pipeline/', '/src/cli/commands/', '/src/processes/supervise.js', '/src/state/store/s3.js']
  for (const part of parts)
    assert.deepEqual(
      urls.filter((url) => url.includes(part)),
      [],
    )
})

/** The bundle as the build makes it; other tests may be starting gateways from it. */
async function makeBundle(): Promise<void> {
  const { code, output } = await ran([join(buildRoot, 'src/bundle/make.js')])
  assert.deepEqual({ code, output }, { code: 0, output: '' })
}

async function ran(args: string[], env: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, args, {
    ...{ cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] },
    env: { ...process.env, ...env },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  const [code] = (await once(child, 'close')) as [number]
  return { code, output }
}

test('the bundle holds all that a start loads, and V8 has its code', { timeout: 60_000 }, async (t) => {
  await makeBundle()
  const { environment, loaded } = coverage(t)
  const load = pathToFileURL(join(buildRoot, 'src/bundle/load.js')).href
  const heap = pathToFileURL(join(buildRoot, 'src/base/heap.js')).href
  const program = `
    import { compileBundle } from '${load}'
    import { suitHeapToBuffers } from '${heap}'
    suitHeapToBuffers()
    const bundle = compileBundle()
    console.log(bundle.isCached, typeof bundle.run().start)`
  const { output } = await ran(['--input-type=module', '-e', program], environment)
  assert.equal(output, 'true function\n')
  const urls = loaded()
  assert.deepEqual(
    new Set(urls.filter((url) => url.includes('/dist/')).map((url) => url.slice(url.lastIndexOf('/dist/src/') + 10))),
    // Which of two modules is read first is not settled.
    new Set(['bundle/load.js', 'base/heap.js', 'bundle/start.cjs']),
  )
  // Native code can't be part of it.
  assert.deepEqual(packagesOf(urls), new Set(['msgpackr-extract', 'node-gyp-build-optional-packages', 'detect-libc']))
})

test('a start takes the bundle, unless Node.js is given options of its own', { timeout: 60_000 }, async () => {
  await makeBundle()
  const program = join(buildRoot, 'src/cli/heraclitus.js')
  // Node.js says which modules it looks for; a start that fails at once will do.
  const modulesOf = async (...options: string[]) => {
    const env = { NODE_DEBUG: 'module', HERACLITUS_KAFKA_PORT: 'none' }
    const { code, output } = await ran([...options, program], env)
    assert.equal(code, 2, output)
    return output.includes('cli/start.js')
  }
  assert.equal(await modulesOf(), false)
  assert.equal(await modulesOf('--stack-trace-limit=20'), true)
})
