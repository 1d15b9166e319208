/**
 * JSON without the loss of large integers: `JSON.parse` turns 9007199254740993 into 9007199254740992, and ids of 64
 * bits are common in events. Integers that a double can't hold are read as BigInt and written as the same digits.
 *
 * They travel through `JSON.parse` and `JSON.stringify` as strings behind a mark; strings of the document that begin
 * with the mark's first character get a mark of their own, so that none is mistaken for the other.
 */

const longDigits = /\d{16}/
const integerMark = '\u0000int:'
const stringMark = '\u0000str:'
const integerMarkInJson = '"\\u0000int:'
const stringMarkInJson = '"\\u0000str:'
// A string literal, or a number: its integer part, its fraction, its exponent.
const tokens = /"(?:[^"\\]|\\.)*"|(-?(?:0|[1-9]\d*))(\.\d+)?([eE][+-]?\d+)?/g
const strings = /"(?:[^"\\]|\\.)*"/g
const keyFollows = /\s*:/y

/**
 * Reads a JSON document.
 * @throws SyntaxError when it is none.
 */
export function parseJson(text: string): unknown {
  const plain = JSON.parse(text)
  if (!longDigits.test(text)) return plain
  let found = false
  const rewritten = text.replace(tokens, (token: string, integer, fraction, exponent, at: number) => {
    if (integer === undefined)
      return token.startsWith('"\\u0000') && !isKey(text, at + token.length)
        ? `${stringMarkInJson}${token.slice(1)}`
        : token
    if (fraction !== undefined || exponent !== undefined || Number.isSafeInteger(Number(integer))) return token
    found = true
    return `${integerMarkInJson}${integer}"`
  })
  if (!found) return plain
  return JSON.parse(rewritten, (_key, value) => {
    if (typeof value !== 'string') return value
    if (value.startsWith(integerMark)) return BigInt(value.slice(integerMark.length))
    return value.startsWith(stringMark) ? value.slice(stringMark.length) : value
  })
}

/** Writes a value that `parseJson` or `toJson` gave, in one line. */
export function stringifyJson(value: unknown): string {
  let found = false
  const text = JSON.stringify(value, (_key, member) => {
    if (typeof member === 'string' && member.startsWith('\u0000')) return `${stringMark}${member}`
    if (typeof member !== 'bigint') return member
    found = true
    return `${integerMark}${member}`
  })
  if (!found && !text.includes(stringMarkInJson)) return text
  return text.replace(strings, (token: string, at: number) => {
    if (isKey(text, at + token.length)) return token
    if (token.startsWith(integerMarkInJson)) return token.slice(integerMarkInJson.length, -1)
    return token.startsWith(stringMarkInJson) ? `"${token.slice(stringMarkInJson.length)}` : token
  })
}

function isKey(text: string, end: number): boolean {
  keyFollows.lastIndex = end
  return keyFollows.test(text)
}
