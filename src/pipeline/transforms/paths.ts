/** A field of a JSON document: the names on the way to it, `*` for any. */
export type FieldPath = readonly string[]

/**
 * Reads `address.city`; a dot that belongs to a name is written `\.`.
 * @throws SyntaxError when a name is empty, or is one that JavaScript keeps for itself.
 */
export function parsePath(text: string): FieldPath {
  const names = text.split(/(?<!\\)\./).map((name) => name.replaceAll('\\.', '.'))
  if (names.includes('')) throw new SyntaxError(`"${text}" is not a field: a name in it is empty`)
  if (names.includes('__proto__')) throw new SyntaxError(`"${text}" is not a field: __proto__ is not a name`)
  return names
}

/**
 * The document with another value at the field. Objects on the way are copied, and made where there are none.
 * @throws TypeError when something on the way is not an object.
 */
export function setField(document: unknown, path: FieldPath, value: unknown): Record<string, unknown> {
  const [name, ...rest] = path
  const copy = { ...objectAt(document, path) }
  if (name === undefined) return copy
  copy[name] = rest.length === 0 ? value : setField(copy[name], rest, value)
  return copy
}

/** The document without the field; the same document when it has none. */
export function removeField(document: unknown, path: FieldPath): unknown {
  const [name, ...rest] = path
  if (!isObject(document) || name === undefined || !Object.hasOwn(document, name)) return document
  const copy = { ...document }
  if (rest.length === 0) delete copy[name]
  else copy[name] = removeField(copy[name], rest)
  return copy
}

/**
 * The document with `change` applied to what stands at the field; elements of arrays on the way are all meant. The
 * same document when there is nothing at the field, or nothing changed.
 */
export function changeField(document: unknown, path: FieldPath, change: (value: unknown) => unknown): unknown {
  const [name, ...rest] = path
  if (name === undefined) return change(document)
  if (Array.isArray(document)) return changeElements(document, (element) => changeField(element, path, change))
  if (!isObject(document)) return document
  if (name === '*') return changeMembers(document, (member) => changeField(member, rest, change))
  if (!Object.hasOwn(document, name)) return document
  const changed = changeField(document[name], rest, change)
  return changed === document[name] ? document : { ...document, [name]: changed }
}

/** The document with `change` applied to every string in it; the same document when nothing changed. */
export function changeStrings(document: unknown, change: (text: string) => string): unknown {
  if (typeof document === 'string') return change(document)
  if (Array.isArray(document)) return changeElements(document, (element) => changeStrings(element, change))
  return isObject(document) ? changeMembers(document, (member) => changeStrings(member, change)) : document
}

function changeElements(list: unknown[], change: (element: unknown) => unknown): unknown[] {
  const changed = list.map(change)
  return changed.some((element, i) => element !== list[i]) ? changed : list
}

function changeMembers(document: Record<string, unknown>, change: (member: unknown) => unknown) {
  let copy: Record<string, unknown> | undefined
  for (const [name, member] of Object.entries(document)) {
    const changed = change(member)
    if (changed === member) continue
    copy ??= { ...document }
    copy[name] = changed
  }
  return copy ?? document
}

function objectAt(document: unknown, path: FieldPath): Record<string, unknown> {
  if (document === undefined || document === null) return {}
  if (isObject(document)) return document
  const found = Array.isArray(document) ? 'a list' : `a ${typeof document}`
  throw new TypeError(`can't set ${path.join('.')}: expected an object, found ${found}`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
