import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import type { Control } from '../../operators/control.ts'
import type { ControlDraft } from '../../sinks/control-routes.ts'
import { suggestion } from '../configuration/closest.ts'
import { agentOf, withReader } from './api.ts'
import {
  type Call,
  type Command,
  CommandError,
  type Context,
  configured,
  type Flag,
  json,
  UsageError,
} from './command.ts'
import { configOf } from './configured.ts'
import { columns } from './help.ts'

const api: Flag = { name: 'api', value: 'URL', summary: 'The agent to ask (default: the one of this configuration).' }
const said: readonly Flag[] = [
  { name: 'by', value: 'NAME', summary: 'Who says so (default: the user of this machine).' },
  { name: 'reason', value: 'TEXT', summary: 'Why; it is kept with the control.' },
]
const times: readonly Flag[] = [
  { name: 'for', value: 'DURATION', summary: 'How long it holds: 30m, 2h, 1d.' },
  { name: 'to', value: 'TIME', summary: 'When it ends, instead of --for: 2026-11-22T10:00:00Z.' },
  { name: 'from', value: 'TIME', summary: 'When it begins (default: now).' },
]
const asking: readonly Flag[] = [api, ...configured, json]

const list: Command = {
  name: 'controls list',
  summary: 'Lists silences, pauses, lowered trust and the service catalogue, in the order they were said.',
  details: ['Beside a running agent it asks that agent; otherwise it reads the store itself.'],
  flags: [
    { name: 'type', value: 'TYPE', summary: 'Only of this type: silence, pause, trust or services.' },
    { name: 'all', summary: 'Also those that are over.' },
    ...asking,
  ],
  examples: ['ops-agent controls list', 'ops-agent controls list --type silence --all --json'],
  async run(call, context) {
    const type = call.text('type')
    const path = `/v1/controls${type === undefined ? '' : `?${new URLSearchParams({ type })}`}`
    const found = await withReader(configOf(call, context), call.text('api'), agent => agent.get<Listed>(path))
    const now = context.now()
    const shown = found.controls.filter(({ validTo }) => call.is('all') || validTo === null || validTo > now)
    if (call.is('json')) return context.out(`${JSON.stringify({ controls: shown })}\n`)
    if (shown.length === 0) return context.out('no controls\n')
    const rows = shown.map(control => [
      control.id,
      control.type,
      about(control),
      instant(control.validFrom),
      control.validTo === null ? 'until removed' : instant(control.validTo),
      control.by,
      control.reason,
    ])
    context.out(`${columns(['id', 'type', 'of', 'from', 'to', 'by', 'reason'], rows)}\n`)
  },
}

const silence: Command = {
  name: 'controls silence',
  summary: 'Keeps matching anomalies from opening, reopening or growing incidents, for a while.',
  details: [
    'An incident that is open already goes on to its end. What was kept back stays in the tables, with the silence that did it: GET /v1/suppressions.',
  ],
  flags: [
    {
      name: 'environment',
      value: 'NAME',
      summary: 'Environment of the anomalies (default: that of this configuration).',
    },
    { name: 'service', value: 'NAME', summary: 'Only of this service.' },
    { name: 'subject', value: 'PATTERN', summary: 'Only of this metric or log pattern; * stands for anything.' },
    { name: 'signal', value: 'ID', summary: 'Only of this series or pattern, by its id.' },
    ...times,
    ...said,
    ...asking,
  ],
  examples: [
    "ops-agent controls silence --service checkout --for 2h --reason 'load test'",
    "ops-agent controls silence --subject 'process.memory.*' --from 2026-11-22T02:00:00Z --for 30m",
  ],
  async run(call, context) {
    const environment = call.text('environment') ?? configOf(call, context).environment
    await say(call, context, { type: 'silence', environment, ...given(call, ['service', 'subject', 'signal']) })
  },
}

const scope = {
  name: 'SCOPE',
  summary: 'An environment, or ENVIRONMENT/SERVICE; none: everything.',
  optional: true,
} as const

const pause: Command = {
  name: 'controls pause',
  summary: 'Begins no action any more, until resumed; actions under way are finished, and undoing is still allowed.',
  arguments: [scope],
  flags: [...times, ...said, ...asking],
  examples: [
    "ops-agent controls pause --reason 'deploy freeze'",
    'ops-agent controls pause production/checkout --for 1h',
  ],
  run: (call, context) => say(call, context, { type: 'pause', ...placeOf(call.arguments[0]) }),
}

const resume: Command = {
  name: 'controls resume',
  summary: 'Ends the pauses of exactly this scope.',
  arguments: [scope],
  flags: asking,
  examples: ['ops-agent controls resume', 'ops-agent controls resume production/checkout'],
  async run(call, context) {
    const wanted = scopeOf(placeOf(call.arguments[0]))
    const agent = await agentOf(configOf(call, context), call.text('api'))
    const { controls } = await agent.get<Listed>('/v1/controls?type=pause')
    const now = context.now()
    const pauses = controls.filter(({ validTo }) => validTo === null || validTo > now)
    const ended = pauses.filter(control => scopeOf(control) === wanted)
    if (ended.length === 0)
      throw new CommandError(`nothing pauses ${wanted}${suggestion(wanted, [...new Set(pauses.map(scopeOf))])}`)
    for (const { id } of ended) await agent.delete(`/v1/controls/${encodeURIComponent(id)}`)
    const ids = ended.map(({ id }) => id)
    context.out(call.is('json') ? `${JSON.stringify({ ended: ids })}\n` : `${wanted}: resumed\n`)
  },
}

const trust: Command = {
  name: 'controls trust',
  summary: 'Lowers what a runbook may do by itself; only the configuration (runbooks.overrides) can give it more.',
  arguments: [
    { name: 'RUNBOOK', summary: 'Name of the runbook.' },
    { name: 'MODE', summary: 'The most it may do: observe, suggest or approve.' },
  ],
  flags: [
    { name: 'target', value: 'SCOPE', summary: 'Only in this environment, or on ENVIRONMENT/SERVICE.' },
    ...times,
    ...said,
    ...asking,
  ],
  examples: ["ops-agent controls trust 'Memory leak' approve --target production/checkout"],
  async run(call, context) {
    const [runbook, mode] = call.arguments as [string, string]
    if (mode === 'auto')
      throw new UsageError('auto is what a control cannot give; set runbooks.overrides in the configuration')
    if (!isLower(mode)) throw new UsageError(`no mode '${mode}'${suggestion(mode, lower)}`)
    await say(call, context, { type: 'trust', runbook, mode, ...placeOf(call.text('target')) })
  },
}

const services: Command = {
  name: 'controls services',
  summary: 'Gives all processes that have no file of their own the service catalogue; they take it when they start.',
  arguments: [{ name: 'FILE', summary: 'services.yaml' }],
  flags: [...said, ...asking],
  examples: ['ops-agent controls services services.yaml'],
  async run(call, context) {
    const file = call.arguments[0]!
    const text = await readFile(file, 'utf8').catch(error => {
      throw new CommandError(`'${file}' cannot be read (${error.code}); correct the path`)
    })
    let catalogue: unknown
    try {
      catalogue = parse(text)
    } catch (error) {
      throw new CommandError(`${file}: ${(error as Error).message}`)
    }
    await say(call, context, { type: 'services', catalogue })
  },
}

const remove: Command = {
  name: 'controls remove',
  summary: 'Ends a control now.',
  arguments: [{ name: 'ID', summary: 'Id of the control, as `controls list` prints it.' }],
  flags: asking,
  examples: ['ops-agent controls remove 3f9a1c0d5e7b2a44'],
  async run(call, context) {
    const id = call.arguments[0]!
    const agent = await agentOf(configOf(call, context), call.text('api'))
    const answer = await agent.delete(`/v1/controls/${encodeURIComponent(id)}`)
    context.out(call.is('json') ? `${JSON.stringify(answer)}\n` : `control ${id}: removed\n`)
  },
}

export const controls: readonly Command[] = [list, silence, pause, resume, trust, services, remove]

interface Listed {
  readonly controls: readonly Control[]
}

const lower = ['observe', 'suggest', 'approve'] as const
const isLower = (mode: string): mode is (typeof lower)[number] => (lower as readonly string[]).includes(mode)

/** Asks the running agent for a control, with who says so, why and when. */
async function say(
  call: Call,
  context: Context,
  what: { type: ControlDraft['type'] } & Record<string, unknown>,
): Promise<void> {
  const by = call.text('by') ?? context.env.USER ?? context.env.LOGNAME
  if (!by) throw new CommandError('who says so is not known; give --by NAME')
  const agent = await agentOf(configOf(call, context), call.text('api'))
  const draft = { ...what, by, ...given(call, ['reason', 'for', 'to', 'from']) }
  const { control } = await agent.post<{ control: Control }>('/v1/controls', draft)
  const until = control.validTo === null ? 'until removed' : `to ${instant(control.validTo)}`
  context.out(
    call.is('json')
      ? `${JSON.stringify({ control })}\n`
      : `control ${control.id}: ${control.type} ${about(control)}, from ${instant(control.validFrom)} ${until}\n`,
  )
}

/** The flags of these names that were given. */
const given = (call: Call, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap(name => (call.text(name) === undefined ? [] : [[name, call.text(name)!]])))

type Scope = { environment?: string | undefined; service?: string | undefined }

/** @throws {UsageError} if a part of it is missing */
function placeOf(text: string | undefined): Scope {
  if (text === undefined || text === 'everything') return {}
  const [environment, ...rest] = text.split('/')
  const service = rest.join('/')
  if (!environment || (rest.length > 0 && service === ''))
    throw new UsageError(`'${text}' is no scope; write ENVIRONMENT or ENVIRONMENT/SERVICE`)
  return rest.length === 0 ? { environment } : { environment, service }
}

const scopeOf = (scope: Scope | Control): string => {
  const { environment, service } = scope as Scope
  return [environment, service].filter(part => part !== undefined).join('/') || 'everything'
}

/** What a control is about, in a few words. */
function about(control: Control): string {
  if (control.type === 'services') return `(${Object.keys(control.catalogue.services).length})`
  if (control.type === 'trust') return `${control.runbook} on ${scopeOf(control)}: ${control.mode}`
  if (control.type === 'pause') return scopeOf(control)
  return [scopeOf(control), control.subject, control.signal].filter(part => part !== undefined).join(' ')
}

const instant = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')
