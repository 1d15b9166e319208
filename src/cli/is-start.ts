/** Whether the command line starts a gateway rather than runs a command that ends. */
export function isStart(argv: readonly string[]): boolean {
  const [first] = argv
  if (first === undefined || first === 'start') return true
  return first.startsWith('-') && !['-h', '--help', '-v', '--version'].includes(first)
}
