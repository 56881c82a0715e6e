import { milliseconds } from '../../operators/window.ts'
import type { Ends, Written } from './read-term.ts'
import { type Moment, quoted, SearchError } from './search.ts'

const DAY = 86_400_000

/** The last time that a column of the store can hold. */
const LAST = Date.UTC(2299, 11, 31)

/** From when to when, both included. @throws {SearchError} */
export function readMoments(query: string, value: Ends | Written): { from?: Moment; to?: Moment } {
  if ('text' in value) return stretchOf(query, value.text.join('*'), value.at)
  const from = value.low && momentOf(query, value.low.text, value.low.at)
  const to = value.high && momentOf(query, value.high.text, value.high.at)
  return {
    ...(from && value.low ? { from: moved(from, value.low.included ? 0 : 1) } : {}),
    ...(to && value.high ? { to: moved(to, value.high.included ? 0 : -1) } : {}),
  }
}

const moved = (moment: Moment, by: number): Moment =>
  'at' in moment ? { at: Math.max(0, moment.at + by) } : { ago: Math.max(0, moment.ago - by) }

/** `last_5m`, or a whole day. */
function stretchOf(query: string, text: string, at: number): { from: Moment; to: Moment } {
  const ago = text.startsWith('last_') ? lengthOf(text.slice('last_'.length)) : undefined
  if (ago !== undefined) return { from: { ago }, to: { ago: 0 } }
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? dateOf(`${text}T00:00:00Z`) : undefined
  if (day !== undefined) return { from: { at: day }, to: { at: day + DAY - 1 } }
  const example = 'last_5m, 2026-11-22, >2026-11-22T10:00:00Z or [2026-11-22T10:00:00Z TO now]'
  throw new SearchError(query, at, `${quoted(text)} is no stretch of time; write ${example}`)
}

/** `now`, `now-5m`, `last_5m`, RFC 3339 (UTC without a zone), a day's beginning, or milliseconds since 1970. */
function momentOf(query: string, text: string, at: number): Moment {
  const relative = /^(?:now-|last_)(.+)$/.exec(text)?.[1]
  const ago = text === 'now' ? 0 : relative === undefined ? undefined : lengthOf(relative)
  if (ago !== undefined) return { ago }
  if (/^\d{12,14}$/.test(text) && Number(text) <= LAST) return { at: Number(text) }
  const time = relative === undefined ? timeOf(text) : undefined
  if (time !== undefined) return { at: time }
  throw new SearchError(query, at, `${quoted(text)} is no time; write 2026-11-22T10:00:00Z, now-5m or now`)
}

function timeOf(text: string): number | undefined {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return dateOf(`${text}T00:00:00Z`)
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/.test(text)) return undefined
  return dateOf(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)
}

/** Of a time that the calendar has; Date.parse takes February 30 for March 2. */
function dateOf(text: string): number | undefined {
  const time = Date.parse(text)
  const day = Date.parse(`${text.slice(0, 10)}T00:00:00Z`)
  const isReal = !Number.isNaN(time) && new Date(day).toISOString().startsWith(text.slice(0, 10))
  return isReal && time >= 0 && time <= LAST ? time : undefined
}

/** Longest way back: a store of log lines holds nothing older. */
const LONGEST = 36_525 * DAY

function lengthOf(text: string): number | undefined {
  try {
    const length = Math.round(milliseconds(text))
    return length <= LONGEST ? length : undefined
  } catch {
    return undefined
  }
}
