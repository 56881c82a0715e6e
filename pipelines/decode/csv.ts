import type { EventTime } from '../../operators/operator.ts'
import type { Sample } from '../../operators/signal.ts'
import { type Parts, Unreadable } from './decoded.ts'
import { timeNames } from './json-log.ts'
import { linesOf, lineTimesOf, originOffsetOf } from './lines.ts'
import type { Labels } from './place.ts'
import { readTimestamp, type Times } from './time.ts'
import { asNumber } from './values.ts'

// Metrics as CSV: a time, a value, optionally the metric's name, and every other column a label; or a time, and every
// other column a metric.

/** Fields of a line by RFC 4180, without line ends inside quotes. */
export function cellsOf(line: string): string[] {
  if (!line.includes('"')) return line.split(',')
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
  )
}

interface Columns {
  readonly names: readonly string[]
  readonly time: number
  /** -1: no column is called so, and every column but the time is a metric of its own. */
  readonly value: number
  readonly metric: number
}

const metricNames = ['metric', 'name', 'metric_name']

/** Whether a first line names columns: it has one for the time or the value. */
export const isHeading = (line: string): boolean =>
  cellsOf(line).some(cell => cell.trim().toLowerCase() === 'value' || timeNames.includes(cell.trim().toLowerCase()))

function columnsOf(heading: string): Columns {
  const names = cellsOf(heading).map(name => name.trim())
  const indexOf = (wanted: readonly string[]): number => names.findIndex(name => wanted.includes(name.toLowerCase()))
  return { names, value: indexOf(['value']), time: indexOf(timeNames), metric: indexOf(metricNames) }
}

/** Reads lines of CSV whose heading row and, where no column tells it, metric are in the record's headers. */
export function readCsv(bytes: Buffer, parts: Parts): void {
  const columns = columnsOf(parts.header('columns') ?? 'timestamp,value')
  const offset = originOffsetOf(parts)
  const { reference, previous } = lineTimesOf(parts)
  for (const line of linesOf(bytes, offset ?? 0)) {
    if (line.text.trim() === '') continue
    if (offset !== undefined) parts.line(line.offset)
    const times = { reference, fallback: previous ?? reference }
    parts.attempt(() => readRow(cellsOf(line.text), columns, parts, times))
  }
}

function readRow(cells: readonly string[], columns: Columns, parts: Parts, times: Times): void {
  const time = columns.time < 0 ? times.fallback : readTimestamp(cells[columns.time] ?? '', times.reference)
  const add = (metric: string, column: number, labels: Labels): void =>
    parts.attempt(() => readCell(metric, cells[column] ?? '', labels, time, parts))
  if (columns.value >= 0)
    add(cells[columns.metric] ?? parts.header('metric') ?? '', columns.value, labelsOf(cells, columns))
  else for (const [column, name] of columns.names.entries()) if (column !== columns.time) add(name, column, {})
}

function readCell(metric: string, cell: string, labels: Labels, time: EventTime, parts: Parts): void {
  if (metric === '') throw new Unreadable('wrong-type', 'the row names no metric')
  const text = cell.trim()
  const value = text === '' ? Number.NaN : asNumber(text)
  if (value === undefined) throw new Unreadable('wrong-type', `the value '${text.slice(0, 40)}' is no number`)
  const kind: Sample['kind'] = metric.endsWith('_total') ? 'counter' : 'gauge'
  if (!Number.isFinite(value)) parts.dropped('no-value')
  else parts.event({ type: 'sample', ...parts.placeOf(labels), metric, unit: '', kind, value, labels }, time)
}

function labelsOf(cells: readonly string[], columns: Columns): Labels {
  const labels: Labels = {}
  for (const [index, name] of columns.names.entries()) {
    const own = index === columns.time || index === columns.value || index === columns.metric
    if (!own && name !== '' && name !== '__proto__' && cells[index]) labels[name] = cells[index]
  }
  return labels
}
