import type { Sample } from '../../operators/signal.ts'
import { type Parts, Unreadable } from './decoded.ts'
import { timeNames } from './json-log.ts'
import { linesOf, lineTimesOf, originOffsetOf } from './lines.ts'
import type { Labels } from './place.ts'
import { readTimestamp } from './time.ts'
import { asNumber } from './values.ts'

// A metric as CSV: a time, a value, optionally the metric's name; every other column is a label.

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
  readonly value: number
  readonly metric: number
}

function columnsOf(heading: string): Columns {
  const names = cellsOf(heading).map(name => name.trim())
  const indexOf = (wanted: readonly string[]): number => names.findIndex(name => wanted.includes(name.toLowerCase()))
  const value = indexOf(['value'])
  if (value < 0)
    throw new Unreadable('wrong-type', `the columns '${heading.slice(0, 80)}' have no 'value'; name one so`)
  return { names, value, time: indexOf(timeNames), metric: indexOf(['metric', 'name', 'metric_name']) }
}

/** Reads lines of CSV whose heading row and, where no column tells it, metric are in the record's headers. */
export function readCsv(bytes: Buffer, parts: Parts): void {
  const columns = columnsOf(parts.header('columns') ?? 'timestamp,value')
  const offset = originOffsetOf(parts)
  const { reference, previous } = lineTimesOf(parts)
  for (const line of linesOf(bytes, offset ?? 0)) {
    if (line.text.trim() === '') continue
    if (offset !== undefined) parts.line(line.offset)
    parts.attempt(() => readRow(cellsOf(line.text), columns, parts, { reference, fallback: previous ?? reference }))
  }
}

function readRow(
  cells: string[],
  columns: Columns,
  parts: Parts,
  times: { reference: number; fallback: number },
): void {
  const metric = cells[columns.metric] ?? parts.header('metric') ?? ''
  if (metric === '') throw new Unreadable('wrong-type', 'the row names no metric')
  const text = cells[columns.value]?.trim() ?? ''
  const value = text === '' ? Number.NaN : asNumber(text)
  if (value === undefined) throw new Unreadable('wrong-type', `the value '${text.slice(0, 40)}' is no number`)
  const time = columns.time < 0 ? times.fallback : readTimestamp(cells[columns.time], times.reference)
  const labels = labelsOf(cells, columns)
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
