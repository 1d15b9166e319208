import { readFileSync } from 'node:fs'
import { register } from 'node:module'
import { type Mutation, mutations } from './mutations.js'

/** The folder of the compiled `src`. */
const source = new URL('../../src/', import.meta.url)

/**
 * The files that a mutation changes, by URL, with their changed text.
 * @throws Error if one of its edits does not fit the code any more.
 */
export function mutatedFiles({ name, edits }: Mutation): Map<string, string> {
  const files = new Map<string, string>()
  for (const { file, find, replace } of edits) {
    const url = new URL(file, source)
    const text = files.get(url.href) ?? readFileSync(url, 'utf8')
    const count = text.split(find).length - 1
    if (count !== 1) throw new Error(`mutation '${name}': '${find}' is ${count} times in ${file}, not once`)
    files.set(
      url.href,
      text.replace(find, () => replace),
    )
  }
  return files
}

/** Makes this process load the mutated files instead of the real ones. To be called before any of them is loaded. */
export function installMutation(name: string): void {
  const mutation = mutations.find((each) => each.name === name)
  if (mutation === undefined) throw new Error(`no mutation '${name}'`)
  register('./mutation-hooks.js', import.meta.url, { data: mutatedFiles(mutation) })
}
