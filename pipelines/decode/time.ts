import type { EventTime } from '../../operators/operator.ts'
import { readTime } from '../../operators/parse.ts'
import { Unreadable } from './decoded.ts'
import { kindOf } from './values.ts'

/** When something without a time happened, and from when missing years are counted back. */
export interface Times {
  readonly fallback: EventTime
  readonly reference: EventTime
}

/**
 * Reads a time as plain JSON and CSV have it: RFC 3339 or any format of a log line, a date alone, or a number since 1970
 * whose size tells seconds, milliseconds, microseconds or nanoseconds apart (the four are a factor 1,000 apart, and each
 * reading holds from 1973 to 5138).
 * @throws {Unreadable} if it is none of these
 */
export function readTimestamp(value: unknown, reference: EventTime): EventTime {
  const time =
    typeof value === 'number' ? sinceEpoch(value) : typeof value === 'string' ? readText(value, reference) : undefined
  if (time === undefined || !Number.isFinite(time)) {
    const given = typeof value === 'string' ? `'${value.slice(0, 40)}'` : kindOf(value)
    throw new Unreadable('wrong-type', `the time is ${given}; write RFC 3339 or a number since 1970`)
  }
  return time
}

function readText(text: string, reference: EventTime): EventTime | undefined {
  const trimmed = text.trim()
  const found = readTime(trimmed, reference)
  if (found !== undefined && found.from === 0) return found.time
  if (/^-?\d+(\.\d+)?([eE]\+?\d+)?$/.test(trimmed)) return sinceEpoch(Number(trimmed))
  return /^\d{4}-\d{2}-\d{2}$/.test(trimmed) ? Date.parse(trimmed) : undefined
}

function sinceEpoch(value: number): EventTime {
  const size = Math.abs(value)
  if (size < 1e11) return Math.round(value * 1e3)
  if (size < 1e14) return Math.round(value)
  if (size < 1e17) return Math.floor(value / 1e3)
  return Math.floor(value / 1e6)
}
