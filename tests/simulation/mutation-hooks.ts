/** Module hooks of a process that runs mutated code (https://nodejs.org/api/module.html#customization-hooks). */

let files: ReadonlyMap<string, string> = new Map()

export function initialize(mutated: ReadonlyMap<string, string>): void {
  files = mutated
}

type NextLoad = (url: string, context: unknown) => Promise<{ format: string; source: unknown; shortCircuit?: boolean }>

export async function load(url: string, context: unknown, nextLoad: NextLoad) {
  const source = files.get(url)
  return source === undefined ? nextLoad(url, context) : { format: 'module', source, shortCircuit: true }
}
