import { duration } from '../../operators/window.ts'
import type { LogAggregate, LogGroup } from '../../sinks/search/aggregate-logs.ts'
import type { DetectedAnomalies } from '../../sinks/search/detect-anomalies.ts'
import type { LogAnomaly, LogPattern } from '../../sinks/search/log-queries.ts'
import type { Sampled } from '../../sinks/search/sampled.ts'
import type { FoundLine, SearchResult } from '../../sinks/search/search-logs.ts'
import { columns } from './help.ts'
import { printable } from './printable.ts'

// What was found among log lines, for people. It is the text of strangers.

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

/** The lines of a page. */
export const linesText = ({ lines, from, to }: SearchResult): string =>
  lines.length > 0 ? lines.map(lineOf).join('') : `no lines between ${instant(from)} and ${instant(to)}\n`

/** That lines were left out, if some were. */
export const sampledOf = (sampled: Sampled | undefined): string =>
  sampled ? `a sample: ${sampled.kept} of ${counted(sampled.lines, 'line')} there are kept\n` : ''

/** Anomalous windows, one a row. */
export function anomalyTable(found: readonly LogAnomaly[]): string {
  if (found.length === 0) return 'no anomalies\n'
  const rows = found.map(({ start, end, score, service, signal, why, subject }) => [
    `${instant(start)} +${duration(end - start)}`,
    score.toFixed(1),
    ...[service, signal, why, shortened(subject)],
  ])
  return `${columns(['window', 'score', 'service', 'pattern', 'why', 'text'], rows)}\n`
}

/** What was found in lines that were handed in, and how much was looked at. */
export function told({ anomalies, lines, unread, patterns, windows, warmup }: DetectedAnomalies): string {
  const read = `${counted(lines, 'line')}, ${counted(patterns, 'pattern')}, ${counted(windows, 'window')}`
  const short = windows <= warmup ? `; bursts can be told after ${warmup} windows` : ''
  const left = unread > 0 ? `; ${counted(unread, 'line')} could not be read` : ''
  return `${anomalyTable(anomalies)}${read}${short}${left}\n`
}

/** Groups of lines with how many each has, and how many there are in all. */
export function aggregateText(
  { groups, found, total, from, to }: LogAggregate,
  keys: readonly (keyof LogGroup)[],
): string {
  const rows = groups.map(group => [String(group.count), ...keys.map(key => cellOf(group, key))])
  const table = keys.length > 0 && rows.length > 0 ? `${columns(['lines', ...keys], rows)}\n` : ''
  const left = found > groups.length ? `, in ${found} groups` : ''
  return `${table}${counted(total, 'line')} from ${instant(from)} to ${instant(to)}${left}\n`
}

/** Patterns, one a row. */
export function patternTable(found: readonly LogPattern[]): string {
  if (found.length === 0) return 'no patterns\n'
  const rows = found.map(({ count, pattern, service, severity, lastSeen, template }) => [
    ...[String(count), pattern, service, levelOf(severity), instant(lastSeen), shortened(template)],
  ])
  return `${columns(['lines', 'pattern', 'service', 'level', 'last seen', 'text'], rows)}\n`
}
