import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

/**
 * The walls of the house (see docs/architecture.md): who may import whom, no cycles, no dead files, no hidden time,
 * chance or environment, no file that has grown past reading.
 */

interface Import {
  /** Path from the root: `src/base/clock.ts`. */
  readonly target: string
  readonly isTypeOnly: boolean
}

interface SourceFile {
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
}

const files = new Map(
  readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => load(join('src', name)))
    .map((file) => [file.path, file]),
)
const isTest = (path: string) => path.endsWith('.test.ts')
const product = [...files.values()].filter((file) => !isTest(file.path))

/** What the files of an area may import of others: folders end in a slash. The first area that matches counts. */
const areas: readonly { area: string; mayImport: readonly string[] }[] = [
  { area: 'src/base/', mayImport: [] },
  { area: 'src/protocol/', mayImport: ['src/base/'] },
  { area: 'src/config', mayImport: ['src/base/'] },
  { area: 'src/state/', mayImport: ['src/base/', 'src/protocol/records/', 'src/protocol/error-codes.ts'] },
  { area: 'src/server/handlers/', mayImport: ['src/base/', 'src/protocol/', 'src/state/', 'src/server/'] },
  { area: 'src/server/', mayImport: ['src/base/', 'src/protocol/', 'src/state/'] },
  {
    area: 'src/pipeline/',
    mayImport: ['src/base/', 'src/protocol/records/', 'src/protocol/error-codes.ts', 'src/state/cluster.ts'],
  },
  { area: 'src/workers/', mayImport: ['src/base/', 'src/protocol/records/', 'src/state/'] },
  { area: 'src/metrics/', mayImport: ['src/base/'] },
  { area: 'src/processes/', mayImport: ['src/base/', 'src/config.ts', 'src/metrics/', 'src/server/http/'] },
  // A client of the gateway, and with `start` the gateway itself.
  {
    area: 'src/cli/',
    mayImport: ['src/base/', 'src/protocol/', 'src/config', 'src/state/', 'src/main.ts', 'src/bundle/load.ts'],
  },
  // What a start loads, as one file.
  { area: 'src/bundle/', mayImport: ['src/base/', 'src/cli/start.ts'] },
  // The composition.
  { area: 'src/', mayImport: ['src/'] },
]

test('imports keep their direction', () => {
  const wrong = product.flatMap(({ path, imports }) => {
    const own = areas.find(({ area }) => path.startsWith(area))
    assert.ok(own)
    return imports
      .filter(
        ({ target }) => !target.startsWith(own.area) && !own.mayImport.some((allowed) => target.startsWith(allowed)),
      )
      .map(({ target }) => `${path} imports ${target}`)
  })
  assert.deepEqual(wrong, [])
})

/** Those who speak the protocol's messages: the handlers, what they are dispatched by, and our own client. */
const speakers = ['src/server/', 'src/protocol/', 'src/cli/']

test('only the server and our own client know the messages of the protocol', () => {
  const wrong = product
    .filter(({ path }) => !speakers.some((speaker) => path.startsWith(speaker)))
    .flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => target.startsWith('src/protocol/messages/'))
        .map(({ target }) => `${path} imports ${target}`),
    )
  assert.deepEqual(wrong, [])
})

test('nobody imports a test', () => {
  const wrong = product.flatMap(({ path, imports }) =>
    imports.filter(({ target }) => isTest(target)).map(({ target }) => `${path} imports ${target}`),
  )
  assert.deepEqual(wrong, [])
})

test('there are no import cycles, types excepted', () => {
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: readonly string[]) => {
    const start = trail.indexOf(path)
    if (start >= 0) {
      cycles.push([...trail.slice(start), path].join(' -> '))
      return
    }
    if (done.has(path)) return
    for (const { target, isTypeOnly } of files.get(path)?.imports ?? [])
      if (!isTypeOnly) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of files.keys()) visit(path, [])
  assert.deepEqual(cycles, [])
})

test('every file is reached from the program or is a test', () => {
  const reached = new Set<string>()
  const waiting = ['src/cli/heraclitus.ts', 'src/bundle/make.ts']
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    waiting.push(...(files.get(path)?.imports ?? []).map(({ target }) => target))
  }
  assert.deepEqual(
    product.map(({ path }) => path).filter((path) => !reached.has(path)),
    [],
  )
})

test('every import of ours leads to a file', () => {
  const wrong = [...files.values()].flatMap(({ path, imports }) =>
    imports.filter(({ target }) => !existsSync(target)).map(({ target }) => `${path} imports ${target}`),
  )
  assert.deepEqual(wrong, [])
})

/** Where the process begins. */
const commandLine = ['heraclitus', 'start', 'command'].map((name) => `src/cli/${name}.ts`).concat('src/main.ts')

/** What only some places may do, and where. Everybody else is given a clock, a source of chance, an environment. */
const doors: readonly { what: string; pattern: RegExp; allowed: readonly string[] }[] = [
  { what: 'the wall clock', pattern: /\bDate\.now\(|\bnew Date\(\)/, allowed: ['src/base/clock.ts'] },
  { what: 'the monotonic clock', pattern: /\bperformance\.now\(|\bprocess\.hrtime\b/, allowed: ['src/base/clock.ts'] },
  {
    what: 'timers',
    pattern: /(?<![.\w])(setTimeout|setInterval|setImmediate)\(/,
    // The last resort of a shutdown that hangs, whatever the clock says.
    allowed: ['src/base/clock.ts', 'src/main.ts'],
  },
  {
    what: 'chance',
    pattern: /\bMath\.random\(|\brandom(Bytes|UUID|Int)\(/,
    allowed: ['src/base/random.ts'],
  },
  {
    what: 'the environment',
    pattern: /\bprocess\.env\b/,
    // S3 takes what AWS' own tools take from it.
    allowed: [...commandLine, 'src/bundle/start-once.ts', 'src/state/store/s3.ts'],
  },
  {
    what: 'the console',
    pattern: /\bconsole\.|\bprocess\.std(out|err)\b/,
    allowed: [...commandLine, 'src/bundle/make.ts', 'src/pipeline/start.ts'],
  },
]

for (const { what, pattern, allowed } of doors)
  test(`${what} comes in by the door`, () => {
    const wrong = product
      .filter(({ path, text }) => !allowed.includes(path) && pattern.test(withoutComments(text)))
      .map(({ path }) => path)
    assert.deepEqual(wrong, [])
  })

/** Those who do input and output. */
const ioAreas = [
  'src/state/store/',
  'src/server/',
  'src/pipeline/sinks/',
  'src/pipeline/sources/',
  'src/cli/',
  'src/bundle/',
  'src/config/',
  'src/metrics/process-metrics.ts',
  // Reads the package's version.
  'src/base/version.ts',
  // Reads its WebAssembly at the first use.
  'src/protocol/records/zstd.ts',
]

test('only stores, server, pipeline ends and the command line do input and output', () => {
  const io = /from 'node:(fs|fs\/promises|net|http|https|tls|dgram|dns|child_process)'/
  const wrong = product
    .filter(({ path, text }) => io.test(text) && !ioAreas.some((area) => path.startsWith(area)))
    .map(({ path }) => path)
  assert.deepEqual(wrong, [])
})

test('only workers and their programs have threads', () => {
  const wrong = product
    .filter(({ path, text }) => /'node:worker_threads'/.test(text) && !path.startsWith('src/workers/'))
    .map(({ path }) => path)
  assert.deepEqual(wrong, [])
})

const linesMax = 400
/** Files that may be longer, with the reason. */
const longFiles: readonly string[] = []

test(`no file has more than ${linesMax} lines`, () => {
  const long = product
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ path, lines }) => lines > linesMax && !longFiles.includes(path))
    .map(({ path, lines }) => `${path}: ${lines}`)
  assert.deepEqual(long, [])
})

function load(path: string): SourceFile {
  const text = readFileSync(path, 'utf8')
  const imports: Import[] = []
  // The program of a thread is named by a URL.
  const statement =
    /^(?:import|export)\s+(type\s)?([^;'"]*?)\s*from\s+'(\.[^']+)'|^import\s+'(\.[^']+)'|\b(?:import|new URL)\(\s*'(\.[^']+\.js)',?[^)]*\)/gm
  for (const [, type, names = '', from, bare, dynamic] of text.matchAll(statement)) {
    const specifier = from ?? bare ?? dynamic ?? ''
    const target = normalize(join(dirname(path), specifier)).replace(/\.js$/, '.ts')
    // Loading on use breaks a cycle as well as a type does.
    const isTypeOnly =
      type !== undefined || dynamic !== undefined || /^\{\s*(type\s+\w+(\s+as\s+\w+)?\s*,?\s*)+\}$/.test(names)
    imports.push({ target, isTypeOnly })
  }
  return { path, text, imports }
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '')
}
