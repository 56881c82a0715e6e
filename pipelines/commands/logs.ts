import type { LogAggregate, LogGroup } from '../../sinks/search/aggregate-logs.ts'
import type { LogAnomaly, LogPattern } from '../../sinks/search/log-queries.ts'
import type { SearchResult } from '../../sinks/search/search-logs.ts'
import { withReader } from './api.ts'
import { type Call, type Command, type Context, configured, type Flag, given, json } from './command.ts'
import { configOf } from './configured.ts'
import { anomaliesIn } from './handed.ts'
import { aggregateText, anomalyTable, linesText, patternTable, sampledOf } from './log-text.ts'

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
    context.out(linesText(found))
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
    context.out(aggregateText(found, keys))
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
    context.out(patternTable(found.patterns))
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

/** Work shorter than this needs no progress, in milliseconds. */
const patience = 2_000

async function fetched<T>(call: Call, context: Context, path: string, asked: Record<string, string>): Promise<T> {
  const { notes } = context.terminal
  const told = notes ? setTimeout(() => context.note('searching…'), patience) : undefined
  try {
    const url = `${path}?${new URLSearchParams(asked)}`
    return await withReader(configOf(call, context), call.text('api'), api => api.get<T>(url))
  } finally {
    clearTimeout(told)
    if (notes) context.note('\r\u001b[K')
  }
}
