import type { EventTime } from '../../operators/operator.ts'
import { Unreadable } from './decoded.ts'

// Reading values that somebody else wrote. One set of readers serves messages of protobufjs and parsed JSON: a 64-bit
// number is a Long there, and a decimal string or a number here.

export type Fields = Readonly<Record<string, unknown>>

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value of a field; null counts as not there, and so does what only the prototype of a message has (its default). */
export function field(of: unknown, name: string): unknown {
  if (typeof of !== 'object' || of === null || !Object.hasOwn(of, name)) return undefined
  return (of as Fields)[name] ?? undefined
}

/** The first of several fields that is there, and its name. */
export function firstField(of: Fields, names: readonly string[]): { name: string; value: unknown } | undefined {
  for (const name of names) {
    const value = field(of, name)
    if (value !== undefined) return { name, value }
  }
  return undefined
}

/** @throws {Unreadable} if it is there and no list */
export function listField(of: unknown, name: string): readonly unknown[] {
  const value = field(of, name)
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new Unreadable('wrong-type', `${name} is ${kindOf(value)}, not a list`)
  return value
}

/** Empty if it is not there. @throws {Unreadable} if it is there and no text */
export function textField(of: unknown, name: string): string {
  const value = field(of, name) ?? ''
  if (typeof value !== 'string') throw new Unreadable('wrong-type', `${name} is ${kindOf(value)}, not text`)
  return value
}

interface Long {
  readonly low: number
  readonly high: number
  readonly unsigned: boolean
  toString(): string
}

export const isLong = (value: unknown): value is Long =>
  typeof value === 'object' && value !== null && 'low' in value && 'high' in value && 'unsigned' in value

/**
 * A number, also as a 64-bit integer or as text (`"12"`, `"NaN"`, `"+Inf"`); undefined if it is not there.
 * @throws {Unreadable} if it is there and no number
 */
export function numberField(of: unknown, name: string): number | undefined {
  const value = field(of, name)
  if (value === undefined || typeof value === 'number') return value
  const number = asNumber(value)
  if (number === undefined) throw new Unreadable('wrong-type', `${name} is ${kindOf(value)}, not a number`)
  return number
}

/** A list of numbers. @throws {Unreadable} if one is none */
export function numbersField(of: unknown, name: string): number[] {
  return listField(of, name).map((value, index) => {
    const number = asNumber(value)
    if (number === undefined) throw new Unreadable('wrong-type', `${name}[${index}] is ${kindOf(value)}, not a number`)
    return number
  })
}

/** The number a value is or spells; undefined if it does neither. */
export function asNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (isLong(value)) return value.high * 4_294_967_296 + (value.low >>> 0)
  if (typeof value !== 'string' || value.trim() === '') return undefined
  const number = Number(value)
  return Number.isNaN(number) ? special.get(value.trim().toLowerCase()) : number
}

const special = new Map([
  ['nan', Number.NaN],
  ['inf', Number.POSITIVE_INFINITY],
  ['+inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
])

/**
 * Nanoseconds since 1970 in whole milliseconds, exact beyond 2^53; 0 and absence, which mean unknown, are undefined.
 * @throws {Unreadable} if it is there and no number
 */
export function nanosecondsField(of: unknown, name: string): EventTime | undefined {
  const value = field(of, name)
  if (value === undefined) return undefined
  const time = nanoseconds(value)
  if (time === undefined) throw new Unreadable('wrong-type', `${name} is ${kindOf(value)}, not nanoseconds since 1970`)
  return time === 0 ? undefined : time
}

function nanoseconds(value: unknown): number | undefined {
  if (isLong(value)) {
    // 2^32 = 4,294 × 10^6 + 967,296: every term stays below 2^53.
    const high = value.high >>> 0
    return high * 4_294 + Math.floor((high * 967_296 + (value.low >>> 0)) / 1_000_000)
  }
  if (typeof value === 'string') return /^\d{1,20}$/.test(value) ? Number(value.slice(0, -6)) : undefined
  return typeof value === 'number' && value >= 0 ? Math.floor(value / 1_000_000) : undefined
}

/** What a value is, in a word or two, for messages: never the value itself, which may be large or secret. */
export function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (value === null || value === undefined) return 'missing'
  switch (typeof value) {
    case 'string':
      return 'text'
    case 'object':
      return 'an object'
    default:
      return `a ${typeof value}`
  }
}

/** JSON of a value that may be nested deeper than the stack is; such a value is cut short. */
export function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    return '(nested too deeply)'
  }
}
