import { type Kind, kinds, type Size } from './size.js'

const mib = 2 ** 20
const kib = 2 ** 10
const hoursPerDay = 24

interface Curve {
  name: string
  of(size: Size): number
}

interface Panel {
  title: string
  curves: readonly Curve[]
}

const objects = (kind: Kind, name: string): Curve => ({ name, of: (size) => size.objects[kind] })
const bytesOf = ({ bytes }: Size) => kinds.reduce((sum, kind) => sum + bytes[kind], 0)
const round = (value: number) => Math.round(value * 10) / 10

const panels: readonly Panel[] = [
  {
    title: 'entries of the ledger',
    curves: [objects('ledger', 'in the store'), { name: 'ever written / 100', of: (size) => size.entriesEver / 100 }],
  },
  {
    title: 'other objects',
    curves: [
      objects('segments', 'segments'),
      objects('lanes', 'lanes'),
      objects('writers', 'writers'),
      objects('snapshots', 'snapshots'),
    ],
  },
  {
    title: 'stored, MiB',
    curves: [
      { name: 'segments', of: ({ bytes }) => bytes.segments / mib },
      { name: 'ledger and lanes', of: ({ bytes }) => (bytes.ledger + bytes.lanes) / mib },
    ],
  },
  { title: 'newest snapshot, KiB', curves: [{ name: 'snapshot', of: ({ snapshotBytes }) => snapshotBytes / kib }] },
  {
    title: 'in the state',
    curves: [
      { name: 'ranges', of: ({ ranges }) => ranges },
      { name: 'offsets', of: ({ offsets }) => offsets },
      { name: 'producers', of: ({ producers }) => producers },
      { name: 'groups', of: ({ groups }) => groups },
      { name: 'writers', of: ({ writers }) => writers },
    ],
  },
  {
    title: 'memory of three instances and the simulator, MiB',
    curves: [
      { name: 'resident, with the store', of: ({ rssBytes }) => rssBytes / mib },
      { name: 'heap and buffers, without', of: ({ heapBytes }) => heapBytes / mib },
    ],
  },
]

const columns: readonly (readonly [title: string, of: (size: Size) => number])[] = [
  ['hour', ({ hour }) => hour],
  ['entries ever', ({ entriesEver }) => entriesEver],
  ['entries', (size) => size.objects.ledger],
  ['segments', (size) => size.objects.segments],
  ['lane objects', (size) => size.objects.lanes],
  ['claims', (size) => size.objects.writers],
  ['snapshots', (size) => size.objects.snapshots],
  ['stored MiB', (size) => round(bytesOf(size) / mib)],
  ['snapshot KiB', ({ snapshotBytes }) => round(snapshotBytes / kib)],
  ['ranges', ({ ranges }) => ranges],
  ['producers', ({ producers }) => producers],
  ['groups', ({ groups }) => groups],
  ['offsets', ({ offsets }) => offsets],
  ['writers', ({ writers }) => writers],
  ['heap MiB', ({ heapBytes }) => round(heapBytes / mib)],
  ['RSS MiB', ({ rssBytes }) => round(rssBytes / mib)],
]

/** A row for every `step` hours. */
export function tableOf(sizes: readonly Size[], step: number): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |\n`
  const rows = sizes.filter(({ hour }) => hour % step === 0)
  return (
    line(columns.map(([title]) => title)) +
    line(columns.map(() => '---:')) +
    rows.map((size) => line(columns.map(([, of]) => of(size)))).join('')
  )
}

/**
 * What is larger on the last day than on the second, on average and by more than chance allows: a quarter, and a few.
 * Retention and every expiry in the simulated week is a day, so from the second on as much goes as comes.
 */
export function growthOf(sizes: readonly Size[]): string[] {
  const lastHour = sizes.at(-1)?.hour ?? 0
  const average = (of: (size: Size) => number, from: number, to: number) => {
    const values = sizes.filter(({ hour }) => hour > from && hour <= to).map(of)
    return values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1)
  }
  return columns.slice(2).flatMap(([title, of]) => {
    const before = average(of, hoursPerDay, 2 * hoursPerDay)
    const after = average(of, lastHour - hoursPerDay, lastHour)
    const isGrowth = after > before * 1.25 + chance
    return isGrowth ? [`${title} grew from ${before.toFixed(1)} on the second day to ${after.toFixed(1)}`] : []
  })
}

/** What an average of a day may differ by, of anything: lane objects, mostly none, are some hundred in some hours. */
const chance = 15

const [width, height, gap] = [420, 220, 30]
const [left, top, right, bottom] = [52, 46, 12, 24]
const colours = ['#1f6feb', '#d1495b', '#2e8b57', '#b8860b', '#7a4fbf']

/** The curves as a drawing: a panel for each group of measures, hours from left to right. */
export function svgOf(sizes: readonly Size[]): string {
  const perRow = 2
  const rows = Math.ceil(panels.length / perRow)
  const [fullWidth, fullHeight] = [perRow * (width + gap) + gap, rows * (height + gap) + gap]
  const drawn = panels.map((panel, i) => {
    const [x, y] = [gap + (i % perRow) * (width + gap), gap + Math.floor(i / perRow) * (height + gap)]
    return `<g transform="translate(${x} ${y})">\n${panelOf(panel, sizes)}</g>\n`
  })
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${fullWidth} ${fullHeight}" font-family="sans-serif" font-size="11">\n` +
    `<title>What there is in a simulated week, hour by hour</title>\n` +
    `<rect width="${fullWidth}" height="${fullHeight}" fill="#ffffff"/>\n${drawn.join('')}</svg>\n`
  )
}

function panelOf({ title, curves }: Panel, sizes: readonly Size[]): string {
  const hours = sizes.at(-1)?.hour ?? 1
  const highest = roundUp(Math.max(1, ...curves.flatMap(({ of }) => sizes.map(of))))
  const x = (hour: number) => left + (hour / hours) * (width - left - right)
  const y = (value: number) => height - bottom - (value / highest) * (height - top - bottom)
  const lines: string[] = [`<text x="0" y="12" font-size="13" font-weight="bold">${title}</text>`]
  for (const value of [0, highest / 2, highest]) {
    lines.push(`<line x1="${left}" x2="${width - right}" y1="${y(value)}" y2="${y(value)}" stroke="#dddddd"/>`)
    lines.push(`<text x="${left - 6}" y="${y(value) + 4}" text-anchor="end" fill="#555555">${value}</text>`)
  }
  for (let hour = 0; hour <= hours; hour += hoursPerDay)
    lines.push(
      `<text x="${x(hour)}" y="${height - 6}" text-anchor="middle" fill="#555555">day ${hour / hoursPerDay}</text>`,
    )
  let legend = 0
  for (const [i, { name, of }] of curves.entries()) {
    const points = sizes.map((size) => `${x(size.hour).toFixed(1)},${y(of(size)).toFixed(1)}`)
    lines.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${colours[i]}" stroke-width="1.2"/>`)
    lines.push(`<text x="${legend}" y="30" fill="${colours[i]}">${name}</text>`)
    legend += 24 + name.length * 6
  }
  return `${lines.join('\n')}\n`
}

/** The next number of one digit and zeros, or half of it. */
function roundUp(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 4, 5, 6, 8, 10].map((digit) => digit * unit).find((each) => each >= value) ?? value
}
