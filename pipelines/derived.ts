import { runbookJsonSchema } from '../runbooks/runbook.ts'
import { buildApi } from '../sinks/api.ts'
import type { Store } from '../sinks/store.ts'
import { commands } from './commands/all.ts'
import { helpOf, helpOfAll } from './commands/help.ts'
import { configJsonSchema, configTable, configYaml } from './configuration/reference.ts'
import { errorTable } from './errors.ts'
import { metricsTable } from './telemetry.ts'
import { version } from './version.ts'

/** Makes what a file should hold, given what it holds. */
type Derive = (before: string) => string | Promise<string>

/** The files derived from code, by their path in the repository. */
export const derivedFiles: ReadonlyMap<string, Derive> = new Map<string, Derive>([
  ['deploy/config.schema.json', () => pretty(configJsonSchema())],
  ['deploy/ops-agent.yaml', configYaml],
  ['deploy/runbook.schema.json', () => pretty(runbookJsonSchema())],
  ['deploy/openapi.json', async () => pretty(await openApi())],
  ['test/golden/help.txt', help],
  ['README.md', readme],
])

const pretty = (value: object) => `${JSON.stringify(value, null, 2)}\n`

/** The document needs no data, so the store is never asked. */
async function openApi(): Promise<object> {
  const app = await buildApi({ store: {} as Store, version: version() })
  try {
    return JSON.parse((await app.inject('/openapi.json')).body) as object
  } finally {
    await app.close()
  }
}

function help(): string {
  const groups = [...new Set(commands.flatMap(({ name }) => (name.includes(' ') ? [name.split(' ')[0]!] : [])))]
  const pages: [string, string][] = [
    ['ops-agent --help', helpOfAll(commands, '')],
    ...groups.map((group): [string, string] => [`ops-agent ${group} --help`, helpOfAll(commands, group)]),
    ...commands.map((command): [string, string] => [`ops-agent ${command.name} --help`, helpOf(command)]),
  ]
  return `${pages.map(([title, text]) => `$ ${title}\n${text}`).join('\n\n\n')}\n`
}

/** README with what stands between its markers, `<!-- NAME -->` and `<!-- /NAME -->`, made anew. */
function readme(before: string): string {
  const commandTable = [
    '| command | |',
    '|---|---|',
    ...commands.map(({ name, summary }) => `| \`ops-agent ${name}\` | ${summary} |`),
  ].join('\n')
  const parts = { commands: commandTable, settings: configTable(), errors: errorTable(), metrics: metricsTable() }
  return Object.entries(parts).reduce((text, [name, table]) => {
    const marked = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`)
    if (!marked.test(text))
      throw new Error(`README.md: has no markers <!-- ${name} --> and <!-- /${name} -->; add them`)
    return text.replace(marked, (_all, open: string, close: string) => `${open}${table}\n${close}`)
  }, before)
}
