import { type CpuProfile, type CpuProfileNode, placeOf, selfSeconds } from './cpu-profile.js'

/** A function in one chain of calls, with the time of all that it called. */
interface Frame {
  name: string
  seconds: number
  children: Map<string, Frame>
}

const width = 1600
const rowHeight = 17
const marginTop = 44
/** Narrower ones can be neither seen nor hit, pixels. */
const widthMin = 0.25
const pixelsPerLetter = 6.6

/**
 * Draws a profile as a flame graph: SVG that any browser opens. Each box is a function, above the one that called it,
 * as wide as its share of the time; boxes that do the same are one. A click on a box makes it fill the width.
 */
export function flameGraph(profile: CpuProfile, title: string): string {
  const root = merged(profile)
  const boxes: string[] = []
  const depth = depthOf(root)
  const height = marginTop + (depth + 1) * rowHeight + 10
  const draw = (frame: Frame, level: number, start: number) => {
    const pixels = (frame.seconds / root.seconds) * width
    if (!(pixels >= widthMin)) return
    boxes.push(box(frame, root.seconds, (start / root.seconds) * width, height - 10 - (level + 1) * rowHeight, pixels))
    let at = start
    for (const child of [...frame.children.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      draw(child, level + 1, at)
      at += child.seconds
    }
  }
  draw(root, 0, 0)
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<style>text{font:11px monospace;pointer-events:none}g{cursor:pointer}g:hover rect{stroke:#000}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="18" style="font-size:15px">${escaped(title)}</text>
<text x="8" y="36">${root.seconds.toFixed(2)} s not idle; a click on a box makes it wide, one on the lowest box shows all again</text>
${boxes.join('\n')}
<script><![CDATA[${zoomScript}]]></script>
</svg>
`
}

/** One tree of all stacks, idle time left out; functions are told apart by name and place. */
function merged(profile: CpuProfile): Frame {
  const own = selfSeconds(profile)
  const byId = new Map(profile.nodes.map((node) => [node.id, node]))
  const add = (node: CpuProfileNode, into: Frame): number => {
    const { functionName } = node.callFrame
    if (functionName === '(idle)') return 0
    const name = `${functionName || '(anonymous)'} ${placeOf(node.callFrame)}`.trim()
    const frame = into.children.get(name) ?? { name, seconds: 0, children: new Map() }
    let seconds = own.get(node.id) ?? 0
    for (const id of node.children ?? []) {
      const child = byId.get(id)
      if (child !== undefined) seconds += add(child, frame)
    }
    frame.seconds += seconds
    if (seconds > 0) into.children.set(name, frame)
    return seconds
  }
  const all: Frame = { name: 'all', seconds: 0, children: new Map() }
  const [first] = profile.nodes
  for (const id of first?.children ?? []) {
    const child = byId.get(id)
    if (child !== undefined) all.seconds += add(child, all)
  }
  return all
}

function depthOf(frame: Frame): number {
  return 1 + Math.max(0, ...[...frame.children.values()].map(depthOf))
}

function box({ name, seconds }: Frame, total: number, x: number, y: number, pixels: number): string {
  const told = `${name}: ${((seconds / total) * 100).toFixed(1)} %, ${seconds.toFixed(3)} s`
  return (
    `<g data-x="${x.toFixed(2)}" data-w="${pixels.toFixed(2)}" data-n="${escaped(name)}"><title>${escaped(told)}</title>` +
    `<rect x="${x.toFixed(2)}" y="${y}" width="${pixels.toFixed(2)}" height="${rowHeight - 1}" fill="${colour(name)}"/>` +
    `<text x="${(x + 3).toFixed(2)}" y="${y + 12}">${escaped(shortened(name, pixels))}</text></g>`
  )
}

function shortened(name: string, pixels: number): string {
  const letters = Math.floor((pixels - 6) / pixelsPerLetter)
  if (letters < 3) return ''
  return name.length <= letters ? name : `${name.slice(0, letters - 1)}…`
}

/** Ours is orange, packages are green, Node is blue, what is not JavaScript is grey. */
function colour(name: string): string {
  let hash = 0
  for (const letter of name) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0
  const light = 62 + (Math.abs(hash) % 14)
  const place = name.slice(name.indexOf(' ') + 1)
  if (place.startsWith('src/')) return `hsl(${28 + (Math.abs(hash >> 8) % 14)} 90% ${light}%)`
  if (place.startsWith('node:')) return `hsl(210 60% ${light + 5}%)`
  return place.includes('/') ? `hsl(120 40% ${light}%)` : `hsl(0 0% ${light + 8}%)`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

const zoomScript = `
const boxes = [...document.querySelectorAll('g')]
for (const g of boxes) g.addEventListener('click', () => {
  const [from, wide] = [+g.dataset.x, +g.dataset.w]
  for (const one of boxes) {
    const x = (one.dataset.x - from) / wide * ${width}, w = one.dataset.w / wide * ${width}
    const [left, right] = [Math.max(0, x), Math.min(${width}, x + w)]
    one.style.display = right - left < ${widthMin} ? 'none' : ''
    const [rect, text] = [one.querySelector('rect'), one.querySelector('text')]
    rect.setAttribute('x', left)
    rect.setAttribute('width', Math.max(0, right - left))
    text.setAttribute('x', left + 3)
    const letters = Math.floor((right - left - 6) / ${pixelsPerLetter}), name = one.dataset.n
    text.textContent = letters < 3 ? '' : name.length <= letters ? name : name.slice(0, letters - 1) + '…'
  }
})`
