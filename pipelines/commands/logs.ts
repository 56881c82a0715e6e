import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { duration } from '../../operators/window.ts'
import type { LogAggregate, LogGroup } from '../../sinks/search/aggregate-logs.ts'
import type { DetectedAnomalies } from '../../sinks/search/detect-anomalies.ts'
import type { LogAnomaly, LogPattern } from '../../sinks/search/log-queries.ts'
import type { Sampled } from '../../sinks/search/sampled.ts'
import type { FoundLine, SearchResult } from '../../sinks/search/search-logs.ts'
import { withReader } from './api.ts'
import { type Call, type Command, CommandError, type Context, configured, type Flag, json } from './command.ts'
import { configOf } from './configured.ts'
import { columns } from './help.ts'
import { printable } from './printable.ts'
import { progress } from './progress.ts'

const api: Flag = {
  name: 'api',
  value: 'URL',
  summary: 'The agent to ask (default: the one of this data folder, else its store).',
}
const place: readonly Flag[] = [
  { name: 'environment', value: 'NAME', summary: 'Only of this environment.' },
  { name: 'service', value: 'NAME', summary: 'Only of this service.' },
]
const times: readonly Flag[] = [
  {
    name: 'from',
    value: 'TIME',
    summary: 'Begin, for example 2026-11-22T10:00:00Z (default: 15 minutes before the end).',
  },
  { name: 'to', value: 'TIME', summary: 'End, from where last_5m counts back (default: now).' },
]
const cursor: Flag = { name: 'cursor', value: 'CURSOR', summary: 'Go on where an answer said `next`.' }
const common: readonly Flag[] = [...times, ...place, api, ...configured, json]

const language = [
  'Words and "phrases" are looked for anywhere in a line, whatever their case; * stands for anything. Fields: level, timestamp, service, environment, pattern, trace, span, and any attribute by its name. AND (or a space), OR, NOT or -, parentheses.',
  'level:error is error and worse; latency:>500 and latency:[100 TO 500] compare numbers; timestamp:last_5m, timestamp:2026-11-22, timestamp:[2026-11-22T10:00:00Z TO now-5m].',
]

const search: Command = {
  name: 'logs search',
  summary: 'Finds log lines by a query, newest first.',
  details: language,
  arguments: [{ name: 'QUERY', summary: 'What to look for, in quotes; begin with a space where it begins with -.' }],
  flags: [
    { name: 'order', value: 'ORDER', summary: 'Which lines come first: newest or oldest.' },
    { name: 'limit', value: 'N', summary: 'Most lines shown (default 50).' },
    cursor,
    ...common,
  ],
  examples: [
    'ops-agent logs search \'level:error service:checkout "timeout" -status:200 timestamp:last_5m\'',
    "ops-agent logs search 'latency:>500 OR 超时' --from 2026-11-22 --json",
  ],
  async run(call, context) {
    const asked = {
      query: call.arguments[0]!,
      ...given(call, ['from', 'to', 'environment', 'service', 'order', 'limit', 'cursor']),
    }
    const found = await fetched<SearchResult>(call, context, '/v1/logs/search', asked)
    if (call.is('json')) return context.out(`${JSON.stringify(found)}\n`)
    context.out(found.lines.length > 0 ? found.lines.map(lineOf).join('') : 'no lines\n')
    context.note(`${sampledOf(found.sampled)}${found.next ? `more: --cursor ${found.next}\n` : ''}`)
  },
}

const aggregate: Command = {
  name: 'logs aggregate',
  summary: 'Counts log lines by service, severity, pattern and time.',
  details: [
    'What can be said by service, pattern and time is exact, whatever was sampled; else the lines that are kept are counted.',
    ...language,
  ],
  arguments: [{ name: 'QUERY', summary: 'Which lines to count; none: all of them.', optional: true }],
  flags: [
    { name: 'by', value: 'KEYS', summary: 'By what, with commas: environment, service, severity, pattern, time.' },
    { name: 'bucket', value: 'DURATION', summary: 'Length of the buckets of time (default 1m).' },
    { name: 'limit', value: 'N', summary: 'Most groups shown (default 1000).' },
    ...common,
  ],
  examples: [
    'ops-agent logs aggregate --by service,severity',
    'ops-agent logs aggregate level:error --by time --bucket 5m',
  ],
  async run(call, context) {
    const [query] = call.arguments
    const asked = given(call, ['from', 'to', 'environment', 'service', 'by', 'bucket', 'limit'])
    const found = await fetched<LogAggregate>(call, context, '/v1/logs/aggregate', {
      ...(query ? { query } : {}),
      ...asked,
    })
    if (call.is('json')) return context.out(`${JSON.stringify(found)}\n`)
    const keys = (call.text('by') ?? '').split(',').filter(Boolean) as (keyof LogGroup)[]
    if (keys.length > 0 && found.groups.length > 0) {
      const rows = found.groups.map(group => [String(group.count), ...keys.map(key => cellOf(group, key))])
      context.out(`${columns(['lines', ...keys], rows)}\n`)
    }
    const left = found.found > found.groups.length ? `, in ${found.found} groups` : ''
    context.out(`${counted(found.total, 'line')} from ${instant(found.from)} to ${instant(found.to)}${left}\n`)
    context.note(sampledOf(found.sampled))
  },
}

const patterns: Command = {
  name: 'logs patterns',
  summary: 'Lists the log patterns of a time, most lines first.',
  flags: [
    { name: 'text', value: 'TEXT', summary: 'Only patterns with this in their text.' },
    { name: 'limit', value: 'N', summary: 'Most patterns shown (default 50).' },
    cursor,
    ...common,
  ],
  examples: ['ops-agent logs patterns --service checkout', 'ops-agent logs patterns --text timeout --from 2026-11-22'],
  async run(call, context) {
    const asked = given(call, ['from', 'to', 'environment', 'service', 'text', 'limit', 'cursor'])
    const found = await fetched<{ patterns: LogPattern[]; next: string | null }>(
      call,
      context,
      '/v1/logs/patterns',
      asked,
    )
    if (call.is('json')) return context.out(`${JSON.stringify(found)}\n`)
    if (found.patterns.length === 0) return context.out('no patterns\n')
    const rows = found.patterns.map(({ count, pattern, service, severity, lastSeen, template }) => [
      ...[String(count), pattern, service, levelOf(severity), instant(lastSeen), shortened(template)],
    ])
    context.out(`${columns(['lines', 'pattern', 'service', 'level', 'last seen', 'text'], rows)}\n`)
    context.note(found.next ? `more: --cursor ${found.next}\n` : '')
  },
}

const anomalies: Command = {
  name: 'logs anomalies',
  summary: 'Lists new errors and bursts among log lines, as they were detected or in lines of a file.',
  details: [
    'With a file, its lines pass the same operators in memory, as this configuration has them, and nothing of them is kept.',
  ],
  arguments: [
    { name: 'FILE', summary: 'Log lines to look at, - is standard input; none: what is kept.', optional: true },
  ],
  flags: [
    { name: 'pattern', value: 'ID', summary: 'Only of this pattern.' },
    { name: 'limit', value: 'N', summary: 'Most anomalous windows shown (default 50).' },
    cursor,
    ...common,
  ],
  examples: [
    'ops-agent logs anomalies --from 2026-11-22',
    'kubectl logs checkout | ops-agent logs anomalies - --service checkout',
  ],
  async run(call, context) {
    const [file] = call.arguments
    if (file !== undefined) return anomaliesIn(file, call, context)
    const asked = given(call, ['from', 'to', 'environment', 'service', 'pattern', 'limit', 'cursor'])
    const found = await fetched<{ anomalies: LogAnomaly[]; next: string | null }>(
      call,
      context,
      '/v1/logs/anomalies',
      asked,
    )
    if (call.is('json')) return context.out(`${JSON.stringify(found)}\n`)
    context.out(anomalyTable(found.anomalies))
    context.note(found.next ? `more: --cursor ${found.next}\n` : '')
  },
}

export const logs: readonly Command[] = [search, aggregate, patterns, anomalies]

async function anomaliesIn(file: string, call: Call, context: Context): Promise<void> {
  const config = configOf(call, context)
  const { detectInLines } = await import('../handed-lines.ts')
  const { detectAnomalies } = await import('../../sinks/search/detect-anomalies.ts')
  const text = file === '-' ? await wholeOf(context.input) : await contentOf(resolve(context.cwd, file), file)
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  if (lines.length === 0) throw new CommandError(`${file === '-' ? 'standard input' : `file '${file}'`}: holds no line`)
  const handed = { lines, ...given(call, ['environment', 'service']) }
  const url = call.text('api')
  const shown = progress(context)
  const show = (done: number) => shown.show({ what: 'reading', done, total: lines.length, unit: 'lines' })
  const found = await (url === undefined
    ? detectAnomalies(handed, given => detectInLines(config, given, context.now(), show))
    : withReader(config, url, api => api.post<DetectedAnomalies>('/v1/logs/anomalies', handed)))
  shown.finish()
  context.out(call.is('json') ? `${JSON.stringify(found)}\n` : told(found))
}

function told({ anomalies, lines, unread, patterns, windows, warmup }: DetectedAnomalies): string {
  const read = `${counted(lines, 'line')}, ${counted(patterns, 'pattern')}, ${counted(windows, 'window')}`
  const short = windows <= warmup ? `; bursts can be told after ${warmup} windows` : ''
  const left = unread > 0 ? `; ${counted(unread, 'line')} could not be read` : ''
  return `${anomalyTable(anomalies)}${read}${short}${left}\n`
}

async function wholeOf(input: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of input) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}

const contentOf = (path: string, name: string): Promise<string> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(
      `file '${name}': cannot be read (${error.code}); name a file of log lines, or - for standard input`,
      {
        cause: error,
      },
    )
  })

function fetched<T>(call: Call, context: Context, path: string, asked: Record<string, string>): Promise<T> {
  const shown = progress(context)
  const waiting = setInterval(() => shown.show({ what: 'waiting for the store', done: 0, unit: 'answers' }), 500)
  return withReader(configOf(call, context), call.text('api'), api =>
    api.get<T>(`${path}?${new URLSearchParams(asked)}`),
  ).finally(() => {
    clearInterval(waiting)
    shown.finish()
  })
}

const given = (call: Call, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap(name => (call.text(name) === undefined ? [] : [[name, call.text(name)!]])))

const instant = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')

const bands = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
const levelOf = (severity: number): string => bands[Math.ceil(severity / 4) - 1] ?? '-'

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

const shortened = (text: string): string => printable(text.length > 160 ? `${text.slice(0, 160)}…` : text)

const lineOf = ({ time, service, severity, body, attributes }: FoundLine): string => {
  const labels = Object.entries(attributes).map(([name, value]) => ` ${name}=${value}`)
  return `${instant(time)} ${levelOf(severity).padEnd(5)} ${service}  ${printable(body)}${printable(labels.join(''))}\n`
}

function cellOf(group: LogGroup, key: keyof LogGroup): string {
  if (key === 'time') return instant(group.time ?? 0)
  if (key === 'severity') return levelOf(group.severity ?? 0)
  if (key === 'pattern') return `${group.pattern || '-'}  ${shortened(group.template ?? '')}`
  return String(group[key] ?? '')
}

const sampledOf = (sampled: Sampled | undefined): string =>
  sampled ? `a sample: ${sampled.kept} of ${counted(sampled.lines, 'line')} there are kept\n` : ''

function anomalyTable(found: readonly LogAnomaly[]): string {
  if (found.length === 0) return 'no anomalies\n'
  const rows = found.map(({ start, end, score, service, signal, why, subject }) => [
    `${instant(start)} +${duration(end - start)}`,
    score.toFixed(1),
    ...[service, signal, why, shortened(subject)],
  ])
  return `${columns(['window', 'score', 'service', 'pattern', 'why', 'text'], rows)}\n`
}
