import type { Terminal } from '../terminal.js'

/** Shown so often at most, milliseconds. */
const betweenMs = 200

/** Shows how far a command has come, now and then. */
export function progressOn({ clock, progress }: Terminal): (text: () => string) => void {
  let shownAt = Number.NEGATIVE_INFINITY
  return (text) => {
    if (progress === undefined || clock.monotonic() - shownAt < betweenMs) return
    shownAt = clock.monotonic()
    progress(text())
  }
}

/** A size for people: `812 B`, `5.3 MiB`. */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let size = bytes
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`
}

/** A time span for people: `12 s`, `5 min`, `3 h`, `9 d`. */
export function spanText(ms: number): string {
  const spans: [number, string][] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ]
  const [length, name] = spans.find(([length]) => ms >= 2 * length) ?? [1_000, 's']
  return `${Math.floor(ms / length)} ${name}`
}
