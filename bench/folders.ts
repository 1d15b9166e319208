import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository: the nearest folder above this file that has a package.json. */
export const repository = nearest('package.json')

/** The sources of the load programs. */
export const loadFolder = join(repository, 'bench/load')

/** Kafka's jars, compiled load programs, the Python environment: whatever is fetched or built once. */
export const cacheFolder = join(tmpdir(), 'heraclitus-bench-cache')

function nearest(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, name))) {
    if (dirname(folder) === folder) throw new Error(`no ${name} above ${import.meta.url}`)
    folder = dirname(folder)
  }
  return folder
}
