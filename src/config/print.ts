import type { SectionName } from './schema.js'
import { type Setting, settings } from './settings.js'

const head = `# Every setting of Heraclitus with its default. Lines that begin with # and a key show settings that have no
# default. Each can also be set from the environment: HERACLITUS_<KEY> for [heraclitus], HERACLITUS_STORAGE_<KEY>
# for [storage]; the environment wins. \`heraclitus config\` prints this file.
`

const pipelines = `# Pipelines: from a topic through steps into a sink. See examples/ for some to run.
#
# [[pipeline]]
# name = "paid-orders"
# from = "orders"
#
# [[pipeline.step]]
# filter = 'value.status == "paid"'
#
# [[pipeline.sink]]
# stdout = {}
`

/** The text of `config.toml`: every setting with its description and default. */
export function printConfig(): string {
  const sections = [...new Set(settings.map((setting) => setting.section))]
  return [head, ...sections.map(printSection), pipelines].join('\n')
}

/** The rows of the settings table in `docs/operations.md`, as Markdown. */
export function printSettingsTable(): string {
  const rows = settings.map((setting) => {
    const fallback = setting.default === undefined ? (setting.unset ?? '') : `\`${JSON.stringify(setting.default)}\``
    return `| \`${setting.section}.${setting.key}\` | \`${setting.variable}\` | ${fallback} | ${setting.description} |`
  })
  return ['| setting | variable | default | what it does |', '| --- | --- | --- | --- |', ...rows, ''].join('\n')
}

function printSection(section: SectionName): string {
  const own = settings.filter((setting) => setting.section === section)
  return [`[${section}]`, own.map(printSetting).join('\n\n'), ''].join('\n')
}

function printSetting(setting: Setting): string {
  const comment =
    setting.unset === undefined ? setting.description : `${setting.description} Not set: ${setting.unset}.`
  const line =
    setting.default === undefined
      ? `# ${setting.key} = ${JSON.stringify(setting.sample)}`
      : `${setting.key} = ${JSON.stringify(setting.default)}`
  return [...wrap(comment, 117).map((text) => `# ${text}`), line].join('\n')
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
