import { parseArgs } from 'node:util'

/**
 * `npm run simulate -- [--seeds N] [--seed FIRST] [--world NAME] [--mutation NAME] [--latency] [--verbose]`: runs worlds,
 * seed by seed, and prints what goes wrong, with its seed. Exits with 1 if anything did.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    world: { type: 'string' },
    mutation: { type: 'string' },
    latency: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
})

const say = (text: string) => void process.stdout.write(`${text}\n`)

if (values.mutation !== undefined) {
  const { installMutation } = await import('./mutation-loader.js')
  installMutation(values.mutation)
}
if (values.latency) {
  const { printLatencies } = await import('./latency.js')
  await printLatencies(say)
} else {
  const { worlds } = await import('./worlds.js')
  const { runWorld } = await import('./world.js')
  const names = values.world === undefined ? Object.keys(worlds) : values.world.split(',')
  const first = Number(values.seed)
  const seeds = Number(values.seeds)
  let failed = 0
  for (const name of names) {
    const options = worlds[name]
    if (options === undefined) throw new Error(`no world '${name}': there are ${Object.keys(worlds).join(', ')}`)
    const begun = performance.now()
    const total = { acknowledged: 0, entries: 0, starts: 0, virtualMs: 0, leaseAcquisitions: 0, generations: 0 }
    const upkeep = { segments: 0, deleted: 0, fenced: 0, refusals: 0 }
    let slowestMs = 0
    for (let seed = first; seed < first + seeds; seed++) {
      const result = await runWorld(options, seed)
      for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += result[key]
      for (const key of Object.keys(upkeep) as (keyof typeof upkeep)[]) upkeep[key] += result[key]
      slowestMs = Math.max(slowestMs, result.slowestMs)
      if (values.verbose) say(`${name} ${seed}: ${JSON.stringify(result)}`)
      if (result.violations.length === 0) continue
      failed++
      say(`FAILED: npm run simulate -- --world ${name} --seed ${seed} --seeds 1`)
      for (const violation of result.violations.slice(0, 8)) say(`  ${violation}`)
      if (values.mutation !== undefined) process.exit(1)
    }
    const msPerSeed = (performance.now() - begun) / seeds
    say(
      `${name}: ${seeds} seeds from ${first}, ${msPerSeed.toFixed(0)} ms and ${(total.virtualMs / seeds / 1_000).toFixed(0)} ` +
        `virtual s each; ${total.acknowledged} records acknowledged, ${total.entries} entries, ${total.starts} starts, ` +
        `${total.generations} generations, ${total.leaseAcquisitions} leases, ${upkeep.segments} segments, ` +
        `${upkeep.deleted} objects deleted, ${upkeep.fenced} fenced, ${upkeep.refusals} appends refused, ` +
        `slowest answer ${slowestMs.toFixed(0)} ms`,
    )
  }
  if (failed > 0) {
    say(`${failed} seeds FAILED`)
    process.exitCode = 1
  }
}
