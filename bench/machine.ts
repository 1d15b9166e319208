import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, realpathSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { repository } from './folders.js'

/** What the figures were measured on and with, as name and value. */
export function machine(storageFolder: string): [string, string][] {
  const processors = cpus()
  return [
    ['CPU', `${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} cores`],
    ['memory', `${(totalmem() / 2 ** 30).toFixed(1)} GiB`],
    ['kernel', `Linux ${release()}`],
    ['storage', fileSystemOf(storageFolder)],
    ['load average at the start', loadavg()[0]?.toFixed(2) ?? 'unknown'],
    ['Node', process.version],
    ['Java', firstLine('java', ['-version'])],
    ['Go', firstLine('go', ['version'])],
    ['Python', firstLine('python3', ['--version'])],
    ['Heraclitus', ownVersion()],
  ]
}

function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { version: string }
  const commit = spawnSync('git', ['describe', '--always', '--dirty'], { cwd: repository, encoding: 'utf8' })
  return commit.status === 0 ? `${version}, commit ${commit.stdout.trim()}` : version
}

function firstLine(command: string, args: string[]): string {
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) return 'none'
  return `${stdout}${stderr}`.split('\n')[0]?.trim() ?? 'unknown'
}

function fileSystemOf(folder: string): string {
  const line = execFileSync('df', ['--output=fstype,source', realpathSync(folder)], { encoding: 'utf8' }).split('\n')[1]
  return line?.trim().replace(/\s+/, ' on ') ?? 'unknown'
}
