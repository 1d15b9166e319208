import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CpuProfile } from './cpu-profile.js'
import { flameGraph } from './flame-graph.js'

const frame = (functionName: string, url = '', lineNumber = 0) => ({ functionName, url, lineNumber })

/** main calls parse twice, by ways that are one way here; half of the time nothing happens. */
const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 5] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('main', 'file:///app/node_modules/pkg/main.js', 9), children: [4] },
    { id: 4, callFrame: frame('parse<T>', 'node:buffer', 0) },
    { id: 5, callFrame: frame('main', 'file:///app/node_modules/pkg/main.js', 9), children: [6] },
    { id: 6, callFrame: frame('parse<T>', 'node:buffer', 0) },
  ],
  samples: [2, 3, 4, 6],
  timeDeltas: [4_000_000, 1_000_000, 2_000_000, 1_000_000],
}

test('a box is as wide as its share of the time that was not idle, and the same calls are one box', () => {
  const svg = flameGraph(profile, 'A & B')
  const boxes = [...svg.matchAll(/<g data-x="([\d.]+)" data-w="([\d.]+)" data-n="([^"]*)"><title>([^<]*)</g)].map(
    ([, x, width, , told]) => [Number(x), Number(width), told],
  )
  assert.deepEqual(boxes, [
    [0, 1600, 'all: 100.0 %, 4.000 s'],
    [0, 1600, 'main pkg/main.js:10: 100.0 %, 4.000 s'],
    [0, 1200, 'parse&lt;T&gt; node:buffer:1: 75.0 %, 3.000 s'],
  ])
  assert.match(svg, /A &amp; B/)
})

test('a profile in which nothing ran is drawn too', () => {
  const idle = { ...profile, samples: [2], timeDeltas: [1] }
  assert.match(flameGraph(idle, 'idle'), /^<svg [\s\S]*<\/svg>\n$/)
})
