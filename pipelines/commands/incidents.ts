import type { Incident } from '../../operators/signal.ts'
import { duration } from '../../operators/window.ts'
import type { WholeIncident } from '../../sinks/queries.ts'
import { withReader } from './api.ts'
import { type Call, type Command, type Context, configured, json } from './command.ts'
import { configOf } from './configured.ts'
import { columns } from './help.ts'

const api = {
  name: 'api',
  value: 'URL',
  summary: 'The agent to ask (default: the one of this data folder, else its store).',
}
const filters = ['environment', 'service', 'state', 'severity', 'since', 'limit'] as const

const list: Command = {
  name: 'incidents list',
  summary: 'Lists incidents, newest first.',
  details: ['Beside a running agent it asks that agent; otherwise it reads the store itself.'],
  flags: [
    { name: 'environment', value: 'NAME', summary: 'Only of this environment.' },
    { name: 'service', value: 'NAME', summary: 'Only of this service.' },
    { name: 'state', value: 'STATE', summary: 'Only in this state, for example detected or resolved.' },
    { name: 'severity', value: 'SEVERITY', summary: 'Only of this severity: critical, high, medium or low.' },
    { name: 'since', value: 'TIME', summary: 'Only detected at or after this time: 2026-11-22T10:00:00Z.' },
    { name: 'limit', value: 'N', summary: 'Most incidents shown (default 50).' },
    api,
    ...configured,
    json,
  ],
  examples: ['ops-agent incidents list', 'ops-agent incidents list --service checkout --since 2026-11-22 --json'],
  async run(call, context) {
    const asked = new URLSearchParams()
    for (const name of filters) if (call.text(name) !== undefined) asked.set(name, call.text(name)!)
    const found = await fetched<{ incidents: Incident[] }>(call, context, `/v1/incidents?${asked}`)
    if (call.is('json')) return context.out(`${JSON.stringify(found)}\n`)
    if (found.incidents.length === 0) return context.out('no incidents\n')
    const rows = found.incidents.map(({ id, detectedAt, severity, state, services, title }) => [
      id,
      instant(detectedAt),
      severity,
      state,
      services.join(', '),
      title,
    ])
    context.out(`${columns(['id', 'detected', 'severity', 'state', 'services', 'title'], rows)}\n`)
  },
}

const show: Command = {
  name: 'incidents show',
  summary: 'Prints one incident: its causes with their evidence, its timeline and its runs.',
  arguments: [{ name: 'ID', summary: 'Id of the incident, as `incidents list` prints it.' }],
  flags: [api, ...configured, json],
  examples: ['ops-agent incidents show 3f9a1c0d5e7b2a44'],
  async run(call, context) {
    const whole = await fetched<WholeIncident>(call, context, `/v1/incidents/${encodeURIComponent(call.arguments[0]!)}`)
    context.out(call.is('json') ? `${JSON.stringify(whole)}\n` : `${written(whole)}\n`)
  },
}

export const incidents: readonly Command[] = [list, show]

const fetched = <T>(call: Call, context: Context, path: string): Promise<T> =>
  withReader(configOf(call, context), call.text('api'), api => api.get<T>(path))

const instant = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')

function written({ incident, timeline, runs }: WholeIncident): string {
  const ended = incident.resolvedAt
  const lasted =
    ended === null ? 'not over' : `over after ${duration(ended - (incident.faultAt ?? incident.detectedAt))}`
  const causes = incident.causes.flatMap(({ rank, service, subject, confidence, evidence }) => [
    `  ${rank}. ${subject} of ${service} (${Math.round(confidence * 100)} %)`,
    ...evidence.map(({ text }) => `     ${text}`),
  ])
  return [
    `${incident.title}`,
    `${incident.severity}, ${incident.state}, ${lasted}; services ${incident.services.join(', ')}; environment ${incident.environment}`,
    '',
    'Causes',
    ...(causes.length > 0 ? causes : ['  insufficient evidence']),
    '',
    'Timeline',
    ...timeline.map(({ at, change, text }) => `  ${instant(at)}  ${change}: ${text}`),
    ...(runs.length > 0
      ? ['', 'Runs', ...runs.map(({ run, runbook, state, summary }) => `  ${run}  ${runbook}: ${state}  ${summary}`)]
      : []),
  ].join('\n')
}
