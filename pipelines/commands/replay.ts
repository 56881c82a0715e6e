import { type Command, type Context, configured, json, UsageError } from './command.ts'
import { configOf, loggerOf } from './configured.ts'
import { columns } from './help.ts'
import { progress } from './progress.ts'

export const replay: Command = {
  name: 'replay',
  summary: 'Reads telemetry from files through the same pipelines, and says what the tables then hold.',
  details: [
    'Reading a file again adds nothing: a line is known by its file and place. No runbook is run and nobody is told.',
    'Times are UTC. Lines whose time has no year take it from --now, else from the date of their file.',
  ],
  flags: [
    { name: 'logs', value: 'GLOB', many: true, summary: 'Files of log lines; put the pattern in quotes.' },
    {
      name: 'metrics',
      value: 'GLOB',
      many: true,
      summary: 'Files of samples, one JSON object a line or CSV; put the pattern in quotes.',
    },
    {
      name: 'now',
      value: 'TIME',
      summary: 'The present, for lines without a year: 2026-11-22 or 2026-11-22T10:00:00Z.',
    },
    {
      name: 'service',
      value: 'NAME',
      summary: 'Service of lines that do not name theirs (default: a log file’s own name, a metrics file’s folder).',
    },
    ...configured,
    json,
  ],
  examples: [
    "ops-agent replay --logs '/var/log/shop/*.log'",
    "ops-agent replay --logs 'a/*.log' --now 2026-11-22 --json",
  ],
  async run(call, context) {
    const logs = call.texts('logs')
    const metrics = call.texts('metrics')
    if (logs.length + metrics.length === 0)
      throw new UsageError("nothing to read; give --logs 'GLOB' or --metrics 'GLOB'")
    const now = timeOf(call.text('now'))
    const service = call.text('service')
    const config = configOf(call, context)
    const shown = progress(context)
    const { replay: replayFiles } = await import('../replay.ts')
    const result = await replayFiles(config, {
      logs: [...logs],
      metrics: [...metrics],
      logger: loggerOf(config, context, 'warn'),
      signal: context.stop,
      ...(now === undefined ? {} : { now }),
      ...(service === undefined ? {} : { service }),
      onProgress: step => shown.show(step),
    }).finally(() => shown.finish())
    if (call.is('json')) context.out(`${JSON.stringify(result)}\n`)
    else tell(context, result as unknown as Readonly<Record<string, unknown>>)
  },
}

function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  // Without a zone, Date.parse takes a time of day for local time.
  const time = Date.parse(/T.*(Z|[+-]\d\d:?\d\d)$|^\d{4}-\d\d-\d\d$/.test(text) ? text : `${text}Z`)
  if (Number.isNaN(time))
    throw new UsageError(`--now '${text}' is not a time; write 2026-11-22 or 2026-11-22T10:00:00Z`)
  return time
}

function tell(context: Context, result: Readonly<Record<string, unknown>>): void {
  const rows = Object.entries(result).flatMap(([name, value]) =>
    value !== null && typeof value === 'object'
      ? Object.entries(value).map(([inner, count]) => [`${name} ${inner}`, String(count)])
      : [[name, String(value)]],
  )
  context.out(`${columns(['what', 'how many'], rows)}\n`)
}
