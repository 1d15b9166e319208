import assert from 'node:assert/strict'
import { cpSync, mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { run } from './tools.js'

/** What a stage of a Dockerfile has come to: its file system is a folder, its base image the machine that we are on. */
export interface Stage {
  /** The folder that stands for the image's root. */
  root: string
  workdir: string
  environment: Record<string, string>
  user: string | undefined
  entrypoint: string[]
  command: string[]
  healthcheck: string[]
}

interface Instruction {
  word: string
  rest: string
}

export interface BuildOptions {
  /** The folder that is sent to the daemon. */
  context: string
  /** What of it `.dockerignore` leaves out. */
  isIgnored: (path: string) => boolean
  /** An empty folder for the stages. */
  target: string
  /** Folders that go before PATH. */
  path: string[]
}

/**
 * Carries out a Dockerfile's instructions without Docker, each stage in a folder of its own. Good for files that need
 * nothing of their base image but what this machine has as well, and whose commands keep to the working directory.
 * @returns the last stage.
 */
export async function build(dockerfile: string, options: BuildOptions): Promise<Stage> {
  const stages = new Map<string, Stage>()
  let stage: Stage | undefined
  for (const { word, rest } of instructions(dockerfile)) {
    if (word === 'FROM') {
      const [, name = 'last'] = /\bAS (\S+)$/i.exec(rest) ?? []
      stage = newStage(join(options.target, name))
      stages.set(name, stage)
      continue
    }
    if (stage === undefined) throw new Error(`${word} before FROM`)
    await carryOut(word, rest, stage, stages, options)
  }
  if (stage === undefined) throw new Error('no FROM')
  return stage
}

function newStage(root: string): Stage {
  mkdirSync(root, { recursive: true })
  return { root, workdir: '/', environment: {}, user: undefined, entrypoint: [], command: [], healthcheck: [] }
}

async function carryOut(
  word: string,
  rest: string,
  stage: Stage,
  stages: ReadonlyMap<string, Stage>,
  options: BuildOptions,
): Promise<void> {
  const here = () => join(stage.root, stage.workdir)
  switch (word) {
    case 'WORKDIR':
      stage.workdir = rest
      mkdirSync(here(), { recursive: true })
      return
    case 'ENV':
      for (const [, name = '', value = ''] of rest.matchAll(/(\w+)=(\S+)/g)) stage.environment[name] = value
      return
    case 'COPY': {
      const [, from, list = ''] = /^(?:--from=(\S+) )?(.*)$/.exec(rest) ?? []
      const paths = list.split(/\s+/)
      const target = join(here(), paths.pop() ?? '')
      const source = from === undefined ? options.context : (stages.get(from) ?? assert.fail(`no stage ${from}`)).root
      const isIgnored = from === undefined ? options.isIgnored : () => false
      for (const path of paths)
        copy(source, path, paths.length > 1 || rest.endsWith('/') ? target : undefined, target, isIgnored)
      return
    }
    case 'RUN': {
      const path = [...options.path, process.env.PATH ?? ''].join(':')
      const env = { ...stage.environment, PATH: path }
      const { code, stdout, stderr } = await run('sh', ['-c', rest], { cwd: here(), env })
      assert.equal(code, 0, `RUN ${rest}\n${stdout}${stderr}`)
      return
    }
    case 'USER':
      stage.user = rest
      return
    case 'ENTRYPOINT':
      stage.entrypoint = JSON.parse(rest) as string[]
      return
    case 'CMD':
      stage.command = JSON.parse(rest) as string[]
      return
    case 'HEALTHCHECK':
      stage.healthcheck = JSON.parse(rest.slice(rest.indexOf('CMD ') + 4)) as string[]
      return
    case 'VOLUME':
    case 'EXPOSE':
      return
    default:
      throw new Error(`${word} is not known here`)
  }
}

/** A folder's contents, or a file into a folder or to a name. */
function copy(
  root: string,
  path: string,
  folder: string | undefined,
  target: string,
  isIgnored: (path: string) => boolean,
): void {
  const kept = (absolute: string) => !isIgnored(absolute.slice(root.length + 1))
  assert.ok(kept(join(root, path)), `${path} is left out by .dockerignore`)
  const to = folder === undefined ? target : join(folder, basename(path))
  cpSync(join(root, path), to, { recursive: true, filter: kept, preserveTimestamps: true })
}

/** One for each instruction, without comments, its lines joined. */
function instructions(text: string): Instruction[] {
  const joined = text.replace(/^\s*#.*\n/gm, '').replace(/\\\n/g, ' ')
  return joined
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, word = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? []
      return { word: word.toUpperCase(), rest: rest.trim() }
    })
}
