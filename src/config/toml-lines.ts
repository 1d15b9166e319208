/**
 * Finds the line of a key in a TOML text. `path` is as in the parsed object: `['heraclitus', 'kafka_port']`,
 * `['pipeline', 1, 'sink', 0, 'file']`. Falls back to the nearest line above it that is known: its table, or 1.
 *
 * The text has been parsed already, so that it is well-formed; strings over several lines are skipped, keys of
 * inline tables are found on the line where the inline table begins.
 */
export function lineOf(text: string, path: readonly (string | number)[]): number {
  const wanted = path.map(String)
  const counts = new Map<string, number>()
  let table: string[] = []
  let best = { depth: 0, line: 1 }
  const note = (found: readonly string[], line: number) => {
    let depth = 0
    while (depth < found.length && depth < wanted.length && found[depth] === wanted[depth]) depth++
    if (depth === found.length && depth > best.depth) best = { depth, line }
  }
  /** A table's name with the index of the newest element behind each array of tables on its way. */
  const indexed = (names: readonly string[]) => {
    const full: string[] = []
    for (const name of names) {
      full.push(name)
      const count = counts.get(full.join('\0'))
      if (count !== undefined) full.push(String(count))
    }
    return full
  }

  const lines = text.split('\n')
  let fence: string | undefined
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    if (fence !== undefined) {
      if (line.includes(fence)) fence = undefined
      continue
    }
    const arrayHeader = /^\s*\[\[(.+?)\]\]/.exec(line)
    const header = arrayHeader ?? /^\s*\[(.+?)\]/.exec(line)
    if (header && !/^\s*\[[^\]]*=/.test(line)) {
      const names = keysOf(header[1] ?? '')
      if (arrayHeader) {
        const full = [...indexed(names.slice(0, -1)), names.at(-1) ?? ''].join('\0')
        counts.set(full, (counts.get(full) ?? -1) + 1)
        // Arrays below this element begin anew.
        for (const known of counts.keys()) if (known.startsWith(`${full}\0`)) counts.delete(known)
      }
      table = indexed(names)
      note(table, i + 1)
      continue
    }
    const assignment = /^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+|\s*\.\s*)+?)\s*=(.*)$/.exec(line)
    if (!assignment) continue
    note([...table, ...keysOf(assignment[1] ?? '')], i + 1)
    const opening = /^\s*("""|''')/.exec(assignment[2] ?? '')?.[1]
    if (opening && !(assignment[2] ?? '').trimStart().slice(3).includes(opening)) fence = opening
  }
  return best.line
}

/** The parts of a dotted key. */
function keysOf(dotted: string): string[] {
  return (dotted.match(/"[^"]*"|'[^']*'|[A-Za-z0-9_-]+/g) ?? []).map((part) => part.replace(/^["']|["']$/g, ''))
}
