import { type Call, type Command, type Context, configured, json, UsageError } from './command.ts'
import { configOf, loggerOf } from './configured.ts'
import { columns } from './help.ts'
import { replayInto } from './incident-replay.ts'
import { progress, type Step } from './progress.ts'
import { timeOf } from './times.ts'

export const replay: Command = {
  name: 'replay',
  summary:
    'Reads telemetry from files through the same pipelines; or runs what was recorded again, and says what comes out differently.',
  details: [
    'Reading a file again adds nothing: a line is known by its file and place. No runbook is run and nobody is told.',
    'With --into, the retained topics, or the files, go through the pipelines into tables of their own, and what was recorded is compared with that: incidents, causes and planned actions. It ends with 0 where nothing differs, and with 1 where something does. No action is taken and nothing recorded is touched.',
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
    {
      name: 'into',
      value: 'NAME',
      summary: 'Database for the tables of a replay that is compared with what was recorded.',
    },
    { name: 'from', value: 'TIME', summary: 'With --into: compare from this time on (default: all that is retained).' },
    { name: 'to', value: 'TIME', summary: 'With --into: compare up to this time, and read no further.' },
    { name: 'fresh', summary: 'With --into: replace an earlier replay of that name.' },
    ...configured,
    json,
  ],
  examples: [
    "ops-agent replay --logs '/var/log/shop/*.log'",
    "ops-agent replay --logs 'a/*.log' --now 2026-11-22 --json",
    'ops-agent replay --from 2026-11-22T10:00:00Z --to 2026-11-22T12:00:00Z --into check',
    'ops-agent replay --into wider --set detection.window=2m',
  ],
  async run(call, context) {
    const logs = call.texts('logs')
    const metrics = call.texts('metrics')
    if (call.text('into') === undefined) checkPlain(call)
    const now = timeOf(call, 'now')
    const service = call.text('service')
    const config = configOf(call, context)
    const shown = progress(context)
    const request = {
      logs: [...logs],
      metrics: [...metrics],
      logger: loggerOf(config, context, 'warn'),
      signal: context.stop,
      ...(now === undefined ? {} : { now }),
      ...(service === undefined ? {} : { service }),
      onProgress: (step: Step) => shown.show(step),
    }
    if (call.text('into') !== undefined) return replayInto(call, context, config, request).finally(() => shown.finish())
    const { replay: replayFiles } = await import('../replay.ts')
    const result = await replayFiles(config, request).finally(() => shown.finish())
    if (call.is('json')) context.out(`${JSON.stringify(result)}\n`)
    else tell(context, result as unknown as Readonly<Record<string, unknown>>)
  },
}

function checkPlain(call: Call): void {
  const lone = ['from', 'to', 'fresh'].find(name => call.is(name) || call.text(name) !== undefined)
  if (lone) throw new UsageError(`--${lone} needs --into NAME, where the replay's tables go`)
  if (call.texts('logs').length + call.texts('metrics').length === 0)
    throw new UsageError(
      "nothing to read; give --logs 'GLOB' or --metrics 'GLOB', or --into NAME for what was recorded",
    )
}

function tell(context: Context, result: Readonly<Record<string, unknown>>): void {
  const rows = Object.entries(result).flatMap(([name, value]) =>
    value !== null && typeof value === 'object'
      ? Object.entries(value).map(([inner, count]) => [`${name} ${inner}`, String(count)])
      : [[name, String(value)]],
  )
  context.out(`${columns(['what', 'how many'], rows)}\n`)
}
