import { readFileSync } from 'node:fs'

/** The version of the package. */
export const version = readVersion()

function readVersion(): string {
  // The compiled file lies some folders below package.json, in `dist` as in any other place it is compiled to.
  for (let folder = new URL('.', import.meta.url); ; folder = new URL('..', folder)) {
    try {
      const found = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as {
        name: string
        version: string
      }
      if (found.name === 'heraclitus') return found.version
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || folder.pathname === '/') throw error
    }
  }
}
