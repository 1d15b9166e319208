import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Findings } from './findings.js'

test('what one run appended to a file is found again by a later one, together with what another did', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'heraclitus-findings-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'runs.jsonl')
  const run = (scenario: string, side: string) => ({ scenario, side, figures: { rate: 1, absent: null } })
  const first = new Findings(file)
  first.add({ kind: 'scenario', run: run('commits', 'ours') })
  first.add({ kind: 'start-up', side: 'ours', startUp: { startMs: 1, idleRssMib: 2, idleCpu: 3 } })
  const second = new Findings(file)
  second.add({ kind: 'scenario', run: run('commits', 'ours') })
  second.add({ kind: 'scenario', run: run('commits', 'Kafka') })
  second.add({ kind: 'failure', what: 'Kafka: timeout' })

  const all = new Findings()
  all.read(file)
  assert.deepEqual(
    all.scenarioRuns.map(({ side }) => side),
    ['ours', 'ours', 'Kafka'],
  )
  assert.deepEqual(all.startUps.get('ours'), [{ startMs: 1, idleRssMib: 2, idleCpu: 3 }])
  assert.deepEqual(all.failures, ['Kafka: timeout'])
  assert.equal(all.rounds, 1)
})
