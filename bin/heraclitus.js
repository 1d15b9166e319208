#!/usr/bin/env node
// Starts the compiled program; a fresh clone is compiled first (the compiler is a dependency).
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const program = new URL('../dist/src/cli/heraclitus.js', import.meta.url)
if (!existsSync(program)) {
  const root = fileURLToPath(new URL('..', import.meta.url))
  // Standard output belongs to the command.
  const build = spawnSync('npm', ['run', '--silent', 'prestart'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (build.status !== 0) {
    process.stderr.write('heraclitus: it is not built, and the build failed: run `npm ci && npm run build`\n')
    process.exit(1)
  }
}
await import(program.href)
