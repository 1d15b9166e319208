/** What `mask` finds in texts: where it may stand, whether it is one, and what is left of it. */
interface Detector {
  pattern: RegExp
  isMatch?(found: string): boolean
  mask(found: string, replacement: string): string
}

export const detectorNames = ['email', 'credit_card', 'ssn', 'phone', 'ip', 'iban'] as const
export type DetectorName = (typeof detectorNames)[number]

/** The text with everything that the detectors find replaced. */
export function maskText(text: string, detectors: readonly DetectorName[], replacement: string): string {
  let masked = text
  for (const name of detectorNames) {
    if (!detectors.includes(name)) continue
    const { pattern, isMatch, mask } = byName[name]
    masked = masked.replace(pattern, (found) =>
      isMatch === undefined || isMatch(found) ? mask(found, replacement) : found,
    )
  }
  return masked
}

/** An address keeps its domain: `***@example.com`. */
export function maskEmail(address: string, replacement: string): string {
  return replacement + address.slice(address.lastIndexOf('@'))
}

export const wholeEmail = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}$/i

const all = (_found: string, replacement: string) => replacement

// Lengths in the patterns are bounded: no text makes them backtrack for long.
const byName: Record<DetectorName, Detector> = {
  email: {
    pattern: /(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}/gi,
    mask: maskEmail,
  },
  // 13 to 19 digits in groups, with the check digit of ISO/IEC 7812 (Luhn). The last four stay, as on receipts.
  credit_card: {
    pattern: /(?<![\d.+])\d(?:[ -]?\d){12,18}(?![\d])/g,
    isMatch: hasLuhnDigit,
    mask: (found, replacement) => replacement + found.replace(/\D/g, '').slice(-4),
  },
  // As the Social Security Administration gives them: never 000, 666 or 9xx, 00, 0000.
  ssn: { pattern: /(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])/g, mask: all },
  // International with +, or North American with separators; digits alone are too often something else.
  phone: {
    pattern:
      /(?<![\w+])\+[1-9](?:[ .()-]{0,2}\d){7,14}(?!\d)|(?<![\w.+-])(?:1[ .-])?\(?[2-9]\d{2}\)?[ .-]{1,2}\d{3}[ .-]\d{4}(?![\w-])/g,
    mask: all,
  },
  ip: {
    pattern:
      /(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.]*\d)|(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])|(?<![\w:])(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}(?![\w:])|(?<![\w:])::(?:[0-9a-f]{1,4}:){0,5}[0-9a-f]{1,4}(?![\w:])/gi,
    mask: all,
  },
  // ISO 13616: country, check digits, up to 30 characters, remainder 1 of 97.
  iban: {
    pattern: /(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)/g,
    isMatch: hasIbanDigits,
    mask: (found, replacement) => found.slice(0, 2) + replacement,
  },
}

function hasLuhnDigit(found: string): boolean {
  let sum = 0
  let double = false
  for (let i = found.length - 1; i >= 0; i--) {
    const digit = found.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) continue
    const counted = double ? digit * 2 : digit
    sum += counted > 9 ? counted - 9 : counted
    double = !double
  }
  return sum > 0 && sum % 10 === 0
}

function hasIbanDigits(found: string): boolean {
  const plain = found.replaceAll(' ', '')
  let remainder = 0
  for (const character of plain.slice(4) + plain.slice(0, 4)) {
    const digit = Number.parseInt(character, 36)
    remainder = (remainder * (digit > 9 ? 100 : 10) + digit) % 97
  }
  return remainder === 1
}
