import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'

/**
 * Runs every test of the build, or those whose path contains one of the arguments. Node 20's own `node --test` takes
 * no patterns, and Node 22's takes no folders.
 */

/** Longest a test file may take, milliseconds: the suites with foreign clients start many processes. */
const fileTimeoutMs = 15 * 60_000

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const wanted = process.argv.slice(2)
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.js'))
  .filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)))
  .map((path) => join(root, path))
  .sort()

let failed = files.length === 0
const stream = run({ files, concurrency: Math.min(availableParallelism(), 2), timeout: fileTimeoutMs })
stream.on('test:fail', ({ todo }) => {
  if (todo === undefined || todo === false) failed = true
})
stream.compose(new spec()).pipe(process.stdout)
stream.on('end', () => {
  process.exitCode = failed ? 1 : 0
})
