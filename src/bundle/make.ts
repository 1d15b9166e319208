import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { messageOf } from '../base/errors.js'
import { bundleIdOf, bundlePath, codePath, isBundleUpToDate } from './load.js'
import { startOnce } from './start-once.js'

/*
 * The last step of the build. Makes one file of the compiled modules that a start needs, and keeps the code that V8 made
 * of it in one start (load.ts). What is there already is not made again.
 */

/** The packages that every start needs; the others are left for when somebody needs them. */
const bundledPackages = ['msgpackr', 'pino', 'zod']

/** What these load besides is native, and is found by its folder. */
const native = ['msgpackr-extract']

const compiledRoot = fileURLToPath(new URL('../..', import.meta.url))

if (!isBundleUpToDate()) {
  const text = await bundled()
  const id = createHash('sha256').update(text).digest('hex').slice(0, 16)
  replace(bundlePath, `// ${id}\n${text}`)
  for (const name of readdirSync(dirname(bundlePath)))
    if (name.endsWith('.code')) rmSync(join(dirname(bundlePath), name), { force: true })
}
const id = bundleIdOf(readFileSync(bundlePath, 'latin1'))
if (!existsSync(codePath(id))) {
  try {
    replace(codePath(id), await startOnce())
  } catch (error) {
    // Where nothing may listen, for example. A start works without, and takes longer.
    process.stderr.write(`the code of the bundle could not be kept: ${messageOf(error)}\n`)
  }
}

/** The modules as one script: a function that takes what a CommonJS module is given. */
async function bundled(): Promise<string> {
  const { dependencies } = JSON.parse(readFileSync(join(compiledRoot, '../package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const { outputFiles } = await build({
    absWorkingDir: compiledRoot,
    entryPoints: ['src/cli/start.js'],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    // Older ones can't load modules synchronously, and do without.
    target: 'node20.19',
    // `import()` is `require` then: a script whose code was kept has lost what Node.js needs for the former.
    supported: { 'dynamic-import': false },
    external: [...Object.keys(dependencies).filter((name) => !bundledPackages.includes(name)), ...native],
    define: { 'import.meta.url': 'importMetaUrl' },
    // Strict, as modules are.
    banner: { js: "(function (module, require, importMetaUrl) { 'use strict';" },
    footer: { js: '})' },
    legalComments: 'none',
    logLevel: 'warning',
  })
  const [file] = outputFiles
  if (file === undefined) throw new Error('esbuild made no file')
  return file.text
}

/** Whoever reads the file meanwhile has the old one or the new one. */
function replace(path: string, content: string | Buffer): void {
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, content)
  renameSync(temporary, path)
}
