import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import toml from 'toml'
import { repositoryRoot } from '../../tests/integration/tools.js'
import { sinks, sources, steps } from './catalog.js'
import { deliveryOf, lintPipelines } from './lint.js'
import { testPipeline } from './self-test.js'
import { PipelineConfigError, parsePipelines } from './spec.js'

const base = 'name="p"\nfrom="orders"\n'
const sink = '\n[[pipeline.sink]]\nstdout={}\n'

const parse = (text: string) => parsePipelines(toml.parse(`[[pipeline]]\n${text}`).pipeline)

const mistakes: [string, string][] = [
  [`${base}${sink}batch={sise=1}`, 'pipeline "p", sink 1, batch.sise: there is no such key; did you mean "size"?'],
  [
    `${base}${sink}batch={size="many"}`,
    'pipeline "p", sink 1, batch.size = "many": expected a whole number from 1 to 100000',
  ],
  [
    `${base}${sink}batch={bytes="1XB"}`,
    'pipeline "p", sink 1, batch.bytes = "1XB": expected a size from 1 B to 64 MB, such as 65536, "64KB" or "1MB"',
  ],
  [
    `${base}${sink}batch={timeout=100}`,
    'pipeline "p", sink 1, batch.timeout = 100: expected a time from 0ms to 1h, such as "100ms", "5s" or "2m"',
  ],
  [`${base}[[pipeline.sink]]\nstdoud={}`, 'pipeline "p", sink 1, stdoud: there is no such key; did you mean "stdout"?'],
  [
    `${base}${sink}file={path="x"}`,
    'pipeline "p", sink 1: expected exactly one of stdout, file, http, topic; stdout and file are given',
  ],
  [`${base}[[pipeline.sink]]\nfile={}`, 'pipeline "p", sink 1, file.path is missing: expected the path of a file'],
  [
    `${base}[[pipeline.sink]]\ntopic={name="x",partition_bi="key"}`,
    'pipeline "p", sink 1, topic.partition_bi: there is no such key; did you mean "partition_by"?',
  ],
  [
    `${base}[[pipeline.sink]]\ntopic="orders"`,
    'pipeline "p", sink 1, topic = "orders": the pipeline would read what it writes',
  ],
  [
    `${base}[[pipeline.sink]]\nhttp={url="ftp://x"}`,
    'pipeline "p", sink 1, http.url = "ftp://x": expected a URL that begins with http:// or https://',
  ],
  [base, 'pipeline "p", sink is missing: expected at least one [[pipeline.sink]]'],
  [`from="x"${sink}`, 'pipeline 1, name is missing: expected text in quotes'],
  [`${base}format="xml"${sink}`, 'pipeline "p", format = "xml": expected one of "json", "raw"'],
  [`${base}stpe=1${sink}`, 'pipeline "p", stpe: there is no such key; did you mean "step"?'],
  [
    `${base}requires="exactly-once"${sink}`,
    'pipeline "p", requires = "exactly-once": sink stdout-1 makes it at-least-once',
  ],
  [
    `${base}[[pipeline.step]]\nfilter="value.x =="${sink}`,
    'pipeline "p", step 1, filter = "value.x ==": Unexpected token: EOF',
  ],
  [
    `${base}[[pipeline.step]]\nfilter="1 + 1"${sink}`,
    'pipeline "p", step 1, filter = "1 + 1": the expression gives int, expected bool',
  ],
  [
    `${base}[[pipeline.step]]\nmask={detect=["emial"]}${sink}`,
    'pipeline "p", step 1, mask.detect 1 = "emial": expected one of "email", "credit_card", "ssn", "phone", "ip", "iban"',
  ],
  [
    `${base}[[pipeline.step]]\nmask={filds=["a"]}${sink}`,
    'pipeline "p", step 1, mask.filds: there is no such key; did you mean "fields"?',
  ],
  [
    `${base}${sink}[pipeline.dlq]\ntopic="orders"`,
    'pipeline "p", dlq.topic = "orders": the pipeline would read its own dead letters',
  ],
  [`${base}max_inflight=10${sink}`, 'pipeline "p", sink 1, batch.size = 500: expected at most max_inflight (10)'],
  [`${base}${sink}[[pipeline]]\n${base}${sink}`, 'pipeline "p": there are two of this name'],
  [
    `${base}[[pipeline.sink]]\nname="a"\nstdout={}\n[[pipeline.sink]]\nname="a"\nstdout={}`,
    'pipeline "p", sink 2, name = "a": used twice',
  ],
]

for (const [text, message] of mistakes) {
  test(`a mistake is named: ${message}`, async () => {
    await assert.rejects(async () => lintPipelines(parse(text)), { name: 'PipelineConfigError', message })
  })
}

test('a mistake carries the way to its key', () => {
  const pathOf = (text: string) => {
    try {
      parse(text)
    } catch (error) {
      return error instanceof PipelineConfigError ? error.path : undefined
    }
    return undefined
  }
  assert.deepEqual(pathOf(`${base}${sink}batch={sise=1}`), [0, 'sink', 0, 'batch', 'sise'])
  assert.deepEqual(pathOf(`${base}${sink}[[pipeline]]\nname="q"\nfrom="a b"${sink}`), [1, 'from'])
})

test('two sinks can not write one file, by whatever name', async () => {
  const specs = parse(`${base}[[pipeline.sink]]\nfile={path="out/a"}\n[[pipeline.sink]]\nfile={path="./out/../out/a"}`)
  await assert.rejects(
    lintPipelines(specs),
    /^PipelineConfigError: pipeline "p", sink 2: file .* is already written by pipeline "p", sink 1$/,
  )
})

test('the delivery class is that of the weakest link', () => {
  const [spec] = parse(`${base}[[pipeline.step]]\nfilter="true"${sink}`)
  assert.ok(spec)
  assert.deepEqual(deliveryOf(spec), { delivery: 'at-least-once', weakest: 'sink stdout-1' })
  assert.deepEqual(deliveryOf({ ...spec, sinks: [] }), { delivery: 'exactly-once', weakest: 'none' })
  assert.equal(deliveryOf({ ...spec, sinks: [], dlq: { topic: 'd' } }).weakest, 'dlq')
})

test('a pipeline that requires what it is passes', async () => {
  await lintPipelines(parse(`${base}requires="at-least-once"${sink}`))
})

test('the example is right, and passes its own tests', async () => {
  const text = await readFile(join(repositoryRoot, 'examples/pipeline.toml'), 'utf8')
  const specs = parsePipelines(toml.parse(text).pipeline)
  await lintPipelines(specs)
  const results = await Promise.all(specs.map(testPipeline))
  assert.ok(results.flat().length > 0)
  assert.deepEqual(
    results.flat().filter(({ problem }) => problem !== undefined),
    [],
  )
})

test("a pipeline's own test that does not hold says what came out instead", async () => {
  const [spec] = parse(
    `${base}[[pipeline.step]]\nmap={b="value.a + 1"}${sink}[[pipeline.test]]\nname="t"\nin={value={a=1}}\nout=[{value={b=3}}]\n[[pipeline.test]]\nname="dead"\nin={value={}}\nout=[]`,
  )
  assert.ok(spec)
  assert.deepEqual(await testPipeline(spec), [
    { name: 't', problem: 'record 1: expected value {"b":3}, got {"a":1,"b":2}' },
    { name: 'dead', problem: 'dead letter: value.a + 1: No such key: a' },
  ])
})

test('every component is described in the documentation', async () => {
  const text = await readFile(join(repositoryRoot, 'docs/pipelines.md'), 'utf8')
  for (const { kind, name } of [...sources, ...steps, ...sinks])
    assert.ok(text.includes(kind === 'source' ? '| `from` |' : `\`${name}`), `${kind} ${name}`)
})
