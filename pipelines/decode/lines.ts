import type { EventTime } from '../../operators/operator.ts'
import { readTime } from '../../operators/parse.ts'
import { readSeverity } from '../../operators/severity.ts'
import type { Parts } from './decoded.ts'
import { parseJson, readJson } from './json.ts'
import type { Place } from './place.ts'
import type { Times } from './time.ts'
import { isFields } from './values.ts'

/** One physical line: its text without its end, and where it begins. */
export interface Line {
  readonly text: string
  readonly bytes: number
  readonly offset: number
}

const newline = 10
const carriageReturn = 13

/** Cuts bytes into lines. An end of line at the very end opens no further line. Wrong UTF-8 becomes U+FFFD. */
export function* linesOf(value: Buffer, offset: number): Generator<Line> {
  const whole = value.toString('utf8')
  // Only where every byte is one character are their positions the same.
  const ascii = whole.length === value.length
  for (let from = 0; from < value.length; ) {
    const found = value.indexOf(newline, from)
    const next = found < 0 ? value.length : found
    const to = found > from && value[found - 1] === carriageReturn ? found - 1 : next
    yield {
      text: ascii ? whole.slice(from, to) : value.toString('utf8', from, to),
      bytes: to - from,
      offset: offset + from,
    }
    from = next + 1
  }
}

/** When a record's lines happened, as far as its headers know. */
export interface LineTimes {
  readonly reference: EventTime
  /** Undefined: the record begins its stream, and no line came before. */
  readonly previous: EventTime | undefined
}

export function lineTimesOf(parts: Parts): LineTimes {
  const reference = numberHeader(parts.header('reference'))
  const previous = numberHeader(parts.header('previous'))
  if (reference === undefined)
    return { reference: parts.record.appendedAt, previous: previous ?? parts.record.appendedAt }
  return { reference, previous }
}

function numberHeader(text: string | undefined): number | undefined {
  const number = Number(text ?? '')
  return text === undefined || text === '' || !Number.isFinite(number) ? undefined : number
}

/** Where the record's first byte lies in its origin; undefined: the record has none but itself. */
export const originOffsetOf = (parts: Parts): number | undefined =>
  parts.header('origin') === undefined ? undefined : (numberHeader(parts.header('offset')) ?? 0)

/**
 * Reads lines of text, each an event whose body is the whole line. A line without a time takes that of the line before;
 * the first lines of a stream, which have none before, that of the first line with one. A line that is a JSON object is
 * read as such.
 */
export function readLines(value: Buffer, parts: Parts): void {
  const offset = originOffsetOf(parts)
  const cut = numberHeader(parts.header('lineBytes'))
  if (cut !== undefined) {
    parts.tooLarge(`the line at byte ${offset ?? 0}`, cut)
    return
  }
  const { reference, previous } = lineTimesOf(parts)
  const place = parts.placeOf({})
  let time = previous ?? firstTime(value, reference)
  for (const line of linesOf(value, offset ?? 0)) {
    if (offset !== undefined) parts.line(line.offset)
    time = readLine(line, place, parts, { fallback: time, reference })
  }
}

/** Answers the time the next line takes if it has none. */
function readLine(line: Line, place: Place, parts: Parts, times: Times): EventTime {
  if (line.bytes > parts.context.maxEventBytes) {
    parts.tooLarge(`the line at byte ${line.offset}`, line.bytes)
    return times.fallback
  }
  const object = objectOf(line.text)
  if (object !== undefined) {
    parts.attempt(() => readJson(object, parts, times))
    return parts.lastTime ?? times.fallback
  }
  const time = readTime(line.text, times.reference)?.time ?? times.fallback
  const value = { type: 'log', ...place, severity: readSeverity(line.text), body: line.text, attributes: {} } as const
  return parts.event(value, time) ? time : times.fallback
}

function firstTime(value: Buffer, reference: EventTime): EventTime {
  for (const line of linesOf(value, 0)) {
    const found = readTime(line.text, reference)
    if (found !== undefined) return found.time
  }
  return reference
}

function objectOf(text: string): unknown {
  if (!text.startsWith('{') || !text.trimEnd().endsWith('}')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isFields(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Reads lines of which each must be JSON; blank ones hold nothing. */
export function readJsonLines(value: Buffer, parts: Parts): void {
  const offset = originOffsetOf(parts)
  const { reference, previous } = lineTimesOf(parts)
  const times = { reference, fallback: previous ?? reference }
  for (const line of linesOf(value, offset ?? 0)) {
    if (line.text.trim() === '') continue
    if (offset !== undefined) parts.line(line.offset)
    if (line.bytes > parts.context.maxEventBytes) parts.tooLarge(`the line at byte ${line.offset}`, line.bytes)
    else parts.attempt(() => readJson(parseJson(line.text), parts, times))
  }
}
