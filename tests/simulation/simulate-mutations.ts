import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { mutatedFiles } from './mutation-loader.js'
import { type Mutation, mutations } from './mutations.js'

/**
 * `npm run simulate:mutations [-- PART_OF_A_NAME]`: runs the simulator on code with one deliberate bug after the other,
 * and prints which checker caught it at which seed. Exits with 1 if one was not caught.
 */
const simulator = fileURLToPath(new URL('./simulate.js', import.meta.url))
/** Seeds that take longer than this are given up, milliseconds: that says nothing, and is no catch. */
const timeoutMs = 30 * 60_000

const say = (text: string) => void process.stdout.write(`${text}\n`)

interface Run {
  output: string
  isCaught: boolean
}

function simulate(mutation: Mutation, world: string): Promise<Run> {
  const args = [simulator, '--mutation', mutation.name, '--world', world, '--seeds', String(mutation.seeds)]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: timeoutMs }, (error, stdout, stderr) =>
      resolve({ output: stdout + stderr, isCaught: error !== null && error.killed !== true }),
    )
  })
}

const wanted = process.argv[2] ?? ''
let missed = 0
for (const mutation of mutations) {
  if (!mutation.name.includes(wanted)) continue
  // An edit that does not fit the code is a mistake in the list, not a catch.
  mutatedFiles(mutation)
  let caught: string | undefined
  for (const world of mutation.worlds) {
    const { output, isCaught } = await simulate(mutation, world)
    if (!isCaught) continue
    const seed = /--seed (\d+)/.exec(output)?.[1]
    const violation = /^ {2}(.*)$/m.exec(output)?.[1]
    caught = seed === undefined ? `${world}: ${output.trim().slice(-300)}` : `${world}, seed ${seed}: ${violation}`
    break
  }
  if (caught === undefined) missed++
  say(caught === undefined ? `NOT CAUGHT  ${mutation.name}` : `caught      ${mutation.name}\n            by ${caught}`)
}
say(missed === 0 ? 'all caught' : `${missed} NOT CAUGHT`)
process.exitCode = missed === 0 ? 0 : 1
