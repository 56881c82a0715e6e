import type { DeadReplayed } from '../../sinks/dead-letter-routes.ts'
import type { DeadCount, DeadPart, DeadSummary } from '../../sinks/dead-letters.ts'
import { withReader, withReplayer } from './api.ts'
import { type Call, type Command, CommandError, configured, type Flag, given, json, UsageError } from './command.ts'
import { configOf, loggerOf } from './configured.ts'
import { columns } from './help.ts'
import { printable, readable } from './printable.ts'

const api = {
  name: 'api',
  value: 'URL',
  summary: 'The agent to ask (default: the one of this data folder, else log and store themselves).',
}
const filters: readonly Flag[] = [
  { name: 'topic', value: 'NAME', summary: 'Only records of this topic.' },
  { name: 'reason', value: 'REASON', summary: 'Only for this reason, for example invalid-json.' },
  { name: 'from', value: 'TIME', summary: 'Only records the log took at or after this time: 2026-11-22T10:00:00Z.' },
  { name: 'to', value: 'TIME', summary: 'Only records the log took before this time.' },
]

const list: Command = {
  name: 'dead list',
  summary: 'Lists what could not be read, newest first, counted by reason.',
  details: ['Beside a running agent it asks that agent; otherwise it reads the store itself.'],
  flags: [
    ...filters,
    { name: 'limit', value: 'N', summary: 'Most dead letters shown (default 50).' },
    api,
    ...configured,
    json,
  ],
  examples: ['ops-agent dead list', 'ops-agent dead list --topic telemetry.logs --reason invalid-json --json'],
  async run(call, context) {
    const asked = new URLSearchParams(given(call, ['topic', 'reason', 'from', 'to', 'limit']))
    const found = await withReader(configOf(call, context), call.text('api'), api =>
      api.get<{ counts: DeadCount[]; letters: DeadSummary[] }>(`/v1/dead-letters?${asked}`),
    )
    if (call.is('json')) return context.out(`${JSON.stringify(found)}\n`)
    if (found.letters.length === 0) return context.out('no dead letters\n')
    const counts = found.counts.map(({ topic, reason, letters, replayed }) => [
      ...[topic, reason],
      ...[letters, replayed].map(String),
    ])
    const letters = found.letters.map(letter => [
      `${placeOf(letter)}/${letter.index}`,
      instant(letter.appendedAt),
      letter.reason,
      stateOf(letter),
      shortened(letter.detail),
    ])
    context.out(`${columns(['topic', 'reason', 'letters', 'replayed'], counts)}\n\n`)
    context.out(`${columns(['place', 'came', 'reason', 'replayed', 'detail'], letters)}\n`)
  },
}

const show: Command = {
  name: 'dead show',
  summary: 'Prints one record that could not be read: why, its headers and its bytes.',
  arguments: [
    { name: 'PLACE', summary: 'TOPIC/PARTITION/OFFSET or TOPIC/PARTITION/OFFSET/INDEX, as `dead list` prints it.' },
  ],
  flags: [api, ...configured, json],
  examples: ['ops-agent dead show telemetry.logs/0/17', 'ops-agent dead show telemetry.logs/0/17/3'],
  async run(call, context) {
    const { topic, partition, offset, index } = placeIn(call.arguments[0]!)
    const path = `/v1/dead-letters/${encodeURIComponent(topic)}/${partition}/${offset}`
    const found = await withReader(configOf(call, context), call.text('api'), api =>
      api.get<{ parts: DeadPart[] }>(path),
    )
    const parts = found.parts.filter(part => index === undefined || part.index === index)
    if (parts.length === 0)
      throw new CommandError(`no part ${index} of '${topic}/${partition}/${offset}' is dead; leave out /${index}`)
    // The record itself stands with its first unreadable part.
    const record = found.parts[0]!
    if (call.is('json')) context.out(`${JSON.stringify({ parts })}\n`)
    else context.out(`${parts.map(part => written(part, part.step ? part : record)).join('\n\n')}\n`)
  },
}

const replay: Command = {
  name: 'dead replay',
  summary:
    'Sends records that could not be read in again, into the topics they came from, so that after a fix they pass.',
  details: [
    'Only the parts that were dead come in again, each once, as what they were. What is older than the watermark by then counts as late: lines are kept, and closed windows stay as they are.',
    'Beside a running agent that agent does it; otherwise it is done here, and worked through when the agent runs.',
  ],
  arguments: [
    { name: 'PLACE', summary: 'One record or part, as `dead list` prints it; none: by the flags.', optional: true },
  ],
  flags: [
    ...filters,
    { name: 'all', summary: 'All that were not sent in again yet.' },
    { name: 'limit', value: 'N', summary: 'Most dead letters sent in at once, oldest first (default 10000).' },
    { name: 'dry-run', summary: 'Say what would be done, and do nothing.' },
    api,
    ...configured,
    json,
  ],
  examples: [
    'ops-agent dead replay telemetry.logs/0/17',
    'ops-agent dead replay --reason unknown-schema --dry-run',
    'ops-agent dead replay --all',
  ],
  async run(call, context) {
    const config = configOf(call, context)
    const body = { ...selected(call), dryRun: call.is('dry-run'), ...limitOf(call) }
    const result = await withReplayer(config, call.text('api'), loggerOf(config, context, 'warn'), api =>
      api.post<DeadReplayed>('/v1/dead-letters/replay', body),
    )
    context.out(call.is('json') ? `${JSON.stringify(result)}\n` : told(result))
    if (result.refused.length > 0 && !call.is('json'))
      context.note(result.refused.map(({ at, why }) => `ops-agent: ${printable(at)}: ${why}\n`).join(''))
  },
}

export const dead: readonly Command[] = [list, show, replay]

function selected(call: Call): object {
  const filter = given(call, ['topic', 'reason', 'from', 'to'])
  const place = call.arguments[0]
  const ways = [place !== undefined, Object.keys(filter).length > 0, call.is('all')].filter(Boolean).length
  if (ways !== 1)
    throw new UsageError('say what to send in again: a place as `dead list` prints it, or filters, or --all')
  return place === undefined ? filter : placeIn(place)
}

function limitOf(call: Call): { limit?: number } {
  const text = call.text('limit')
  if (text === undefined) return {}
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError(`--limit '${text}' is not a number above 0`)
  return { limit: Number(text) }
}

function placeIn(text: string): { topic: string; partition: number; offset: number; index?: number } {
  const [, topic, partition, offset, index] = /^([^/]+)\/(\d+)\/(\d+)(?:\/(\d+))?$/.exec(text) ?? []
  if (topic === undefined)
    throw new UsageError(`'${printable(text)}' is no place; write TOPIC/PARTITION/OFFSET, as \`dead list\` prints it`)
  const place = { topic, partition: Number(partition), offset: Number(offset) }
  return index === undefined ? place : { ...place, index: Number(index) }
}

const placeOf = ({ topic, partition, offset }: { topic: string; partition: number; offset: number }): string =>
  `${topic}/${partition}/${offset}`

const instant = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')

const stateOf = ({ replayedAt, replayOf }: DeadSummary): string =>
  [replayedAt === null ? '' : instant(replayedAt), replayOf && `failed again, was ${printable(replayOf)}`]
    .filter(Boolean)
    .join('; ') || 'no'

const LONGEST = 120
function shortened(text: string): string {
  const line = printable(text.split('\n')[0]!)
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line
}

/** A part, and behind the first of a record what the record was. */
function written(part: DeadPart, record: DeadPart): string {
  const { index, step, originStream, reason, detail, replayedAt, bytes, appendedAt } = part
  const size = bytes === null ? 'no value' : `${bytes} bytes`
  const value = Buffer.from(record.value, 'base64')
  const more = record.bytes !== null && record.bytes > value.length ? `, the first ${value.length} bytes` : ''
  const failed = step && `\nstep ${printable(step)} failed on this event of ${printable(originStream)}`
  const again = replayedAt === null ? '' : `\nsent in again at ${instant(replayedAt)}`
  return [
    `${placeOf(part)}/${index}, ${step ? 'of' : 'taken by the log at'} ${instant(appendedAt)}, ${size}${failed}${again}`,
    '',
    `${reason}:`,
    ...detail.split('\n').map(line => `  ${printable(line)}`),
    '',
    'Headers',
    ...(Object.keys(record.headers).length > 0
      ? Object.entries(record.headers).map(([name, text]) => `  ${printable(name)}: ${printable(text)}`)
      : ['  none']),
    '',
    `Value${more}`,
    readable(value) || '  none',
  ].join('\n')
}

function told({ dryRun, letters, records, refused }: DeadReplayed): string {
  const what = `${counted(letters, 'dead letter')} of ${counted(records, 'record')}`
  const said = dryRun ? `would send in again ${what}` : `sent in again ${what}`
  return `${said}${refused.length > 0 ? `; ${counted(refused.length, 'record')} cannot be` : ''}\n`
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`
