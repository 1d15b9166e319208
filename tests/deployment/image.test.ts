import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../integration/free-port.js'
import { lookFor, repositoryRoot } from '../integration/tools.js'
import { build, type Stage } from './dockerfile.js'
import { run } from './tools.js'

/**
 * The Dockerfile's instructions, carried out on this machine instead of in its base image, and what comes of them run
 * as the image would: where mount namespaces can be had, as another user with a file system that can't be written to.
 */

const registry = await lookFor('the npm registry', async () => {
  const { code, stderr } = await run('npm', ['ping', '--fetch-retries=0', '--fetch-timeout=10000'])
  if (code !== 0) throw new Error(stderr.slice(0, 300))
})
const isRoot = process.getuid?.() === 0
/** Whether a process can be given a file system that is read-only for it alone. */
const sealing = await lookFor('mount namespaces', async () => {
  const { code, stderr } = await run('unshare', ['--mount', 'true'])
  if (!isRoot || code !== 0) throw new Error(stderr || 'only root can make them')
})

describe('the image', { skip: registry.skip, concurrency: false }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'heraclitus-image-'))
  let image: Stage
  let app: string
  const running = new Set<ChildProcess>()

  before(async () => {
    chmodSync(folder, 0o755)
    const shims = join(folder, 'shims')
    mkdirSync(shims)
    // Only root may give files away.
    if (!isRoot) writeFileSync(join(shims, 'chown'), '#!/bin/sh\n', { mode: 0o755 })
    image = await build(readFileSync(join(repositoryRoot, 'Dockerfile'), 'utf8'), {
      context: repositoryRoot,
      isIgnored: dockerignore(),
      target: join(folder, 'stages'),
      path: [shims],
    })
    app = join(image.root, image.workdir)
  })
  after(() => {
    for (const child of running) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  /** Starts the image with that command. */
  function start(command: readonly string[], env: Record<string, string>): { child: ChildProcess; log: () => string } {
    const data = join(app, 'data')
    const line = [...image.entrypoint, ...command]
    const [uid, gid] = (image.user ?? '').split(':')
    // All is read-only but the volume.
    const sealed = [
      `mount --rbind / / && mount --bind '${data}' '${data}' && mount -o remount,bind,ro / &&`,
      `mount -o remount,bind,ro '${folder}' 2>/dev/null; mount -o remount,bind,rw '${data}' &&`,
      `cd '${app}' && exec setpriv --reuid=${uid} --regid=${gid} --clear-groups "$@"`,
    ].join(' ')
    const [program = '', ...args] = !sealing.skip ? ['unshare', '--mount', 'sh', '-c', sealed, 'sh', ...line] : line
    const child = spawn(program, args, {
      cwd: app,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, ...image.environment, ...env },
    })
    running.add(child)
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
    return { child, log: () => text }
  }

  const isHealthy = async (env: Record<string, string>) => {
    const [program = '', ...args] = image.healthcheck
    return (await run(program, args, { env })).code === 0
  }

  test('it serves as an ordinary user, is healthy while it does, and stops when told', {
    timeout: 60_000,
  }, async () => {
    assert.equal(image.user, '1000:1000')
    const env = {
      HERACLITUS_KAFKA_PORT: String(await freePort()),
      HERACLITUS_METRICS_PORT: String(await freePort()),
    }
    assert.equal(await isHealthy(env), false)
    const { child, log } = start(image.command, env)
    const exited = once(child, 'exit')
    while (!(await isHealthy(env))) {
      assert.equal(child.exitCode, null, log())
      await sleep(100)
    }
    const bootstrap = `127.0.0.1:${env.HERACLITUS_KAFKA_PORT}`
    const produced = start(['produce', 'greetings', 'hello', '--bootstrap', bootstrap], env)
    assert.deepEqual(await once(produced.child, 'exit'), [0, null], produced.log())
    const topics = start(['topics', 'list', '--bootstrap', bootstrap], env)
    assert.deepEqual(await once(topics.child, 'exit'), [0, null], topics.log())
    assert.match(topics.log(), /greetings/)
    if (!sealing.skip) {
      // The volume is the user's, and it could write nowhere else.
      assert.ok(readdirSync(join(app, 'data')).length > 0)
      assert.equal(statSync(join(app, 'data', readdirSync(join(app, 'data'))[0] ?? '')).uid, 1000)
    }
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null], log())
    assert.equal(await isHealthy(env), false)
  })

  test('it starts from the bundle, and compiles nothing of it', async () => {
    const program = `import('./dist/src/bundle/load.js').then(async ({ isBundleUpToDate, compileBundle }) => {
      (await import('./dist/src/base/heap.js')).suitHeapToBuffers()
      console.log(isBundleUpToDate(), compileBundle().isCached)
    })`
    const { stdout, stderr } = await run('node', ['-e', program], { cwd: app })
    assert.equal(stdout, 'true true\n', stderr)
  })

  test('it has no compiler, no types, no tests and no sources, and is small', async (t) => {
    const compilers = ['typescript', 'esbuild', '@esbuild'].map((name) => `node_modules/${name}`)
    for (const path of [...compilers, 'node_modules/@types', 'node_modules/@biomejs', 'src', 'tests'])
      assert.ok(!existsSync(join(app, path)), path)
    const files = readdirSync(join(app, 'dist'), { recursive: true, encoding: 'utf8' })
    assert.deepEqual(
      files.filter((path) => path.endsWith('.d.ts') || path.includes('.test.')),
      [],
    )
    const { stdout } = await run('du', ['-sm', app])
    const megabytes = Number.parseInt(stdout, 10)
    t.diagnostic(`${megabytes} MB besides Node`)
    assert.ok(megabytes < 80, stdout)
  })

  test('nothing can be written but the volume', { skip: sealing.skip, timeout: 30_000 }, async () => {
    const program = `for (const path of ['/app-test', './x', './data/x']) try { require('fs').writeFileSync(path, ''); console.log(path, 'written') } catch (error) { console.log(path, error.code) }`
    image.entrypoint = ['node', '-e']
    const { child, log } = start([program], {})
    await once(child, 'exit')
    assert.match(log(), /^\/app-test E(ROFS|ACCES)$/m)
    assert.match(log(), /^\.\/x EROFS$/m)
    assert.match(log(), /^\.\/data\/x written$/m)
  })
})

/** What `.dockerignore` leaves out: everything, but for what a `!` takes back and a later line does not leave out again. */
function dockerignore(): (path: string) => boolean {
  const lines = readFileSync(join(repositoryRoot, '.dockerignore'), 'utf8').split('\n')
  const patterns = lines.filter((line) => line !== '' && !line.startsWith('#'))
  const expression = (pattern: string) =>
    new RegExp(
      `^${pattern
        .replace(/\./g, '\\.')
        .replace(/\*\*\//g, '(.*/)?')
        .replace(/(?<!\))\*/g, '[^/]*')}(/.*)?$`,
    )
  return (path) => {
    let isIgnored = false
    for (const pattern of patterns)
      if (pattern.startsWith('!')) isIgnored = isIgnored && !expression(pattern.slice(1)).test(path)
      else isIgnored ||= expression(pattern).test(path)
    return isIgnored
  }
}
