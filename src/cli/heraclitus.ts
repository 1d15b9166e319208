#!/usr/bin/env node
import { loadStart } from '../bundle/load.js'
import { isStart } from './is-start.js'

const argv = process.argv.slice(2)

if (isStart(argv)) {
  const { start } = await loadStart(process.env)
  process.exitCode = await start(argv[0] === 'start' ? argv.slice(1) : argv)
} else {
  const { command } = await import('./command.js')
  process.exitCode = await command(argv)
}
