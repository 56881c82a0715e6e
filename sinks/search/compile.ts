import { isOrBecame } from './merged-patterns.ts'
import type { Moment, Search, Text } from './search.ts'

type Type = 'String' | 'Int64' | 'UInt32' | 'UInt8' | 'Float64'

/** Gathers the parameters of a statement, each under a name of its own. */
export class Parameters {
  readonly values: Record<string, string | number> = {}
  #next = 0

  /** What stands for the value in the statement. */
  bind(value: string | number, type: Type): string {
    const name = `p${this.#next++}`
    this.values[name] = typeof value === 'string' ? value.toWellFormed() : value
    return `{${name}:${type}}`
  }

  moment(ms: number): string {
    return `fromUnixTimestamp64Milli(${this.bind(ms, 'Int64')})`
  }
}

/** Columns that say from when to when a row reaches. */
export interface Reach {
  readonly first: string
  readonly last: string
}
const ofLine: Reach = { first: 'time', last: 'time' }

/**
 * The condition on `log_lines` that a query is, its values bound as parameters. `now`: milliseconds since 1970, from when
 * it counts back. `reach`: for a table whose rows are stretches of time, which are meant if they touch the one asked for.
 */
export function compile(search: Search, now: number, parameters: Parameters, reach: Reach = ofLine): string {
  const bind = parameters.bind.bind(parameters)
  const of = (part: Search): string => {
    switch (part.is) {
      case 'all':
        return 'true'
      case 'and':
      case 'or':
        return `(${part.parts.map(of).join(` ${part.is.toUpperCase()} `)})`
      case 'not':
        return `NOT ${of(part.part)}`
      case 'level':
        return `(severity BETWEEN ${bind(part.least, 'UInt8')} AND ${bind(part.most, 'UInt8')})`
      case 'time':
        return between(part, now, parameters, reach)
      case 'text':
        return textCondition(part.value, bind)
      case 'attribute':
        return attributeCondition(bind(part.name, 'String'), part.value, bind)
      case 'number': {
        const number = `toFloat64OrNull(attributes[${bind(part.name, 'String')}])`
        const above = part.above && `${number} ${part.above.included ? '>=' : '>'} ${bind(part.above.value, 'Float64')}`
        const below = part.below && `${number} ${part.below.included ? '<=' : '<'} ${bind(part.below.value, 'Float64')}`
        // What is no number is in no range, and outside of each.
        return `ifNull(${[above ?? `isNotNull(${number})`, ...(below ? [below] : [])].join(' AND ')}, false)`
      }
      case 'pattern':
        if (part.value.length === 1) return isOrBecame('pattern', bind(part.value[0], 'String'))
        return matches('pattern', part.value, bind)
      default:
        return matches(columnOf[part.is], part.value, bind)
    }
  }
  return of(search)
}

const columnOf = {
  service: 'service',
  environment: 'environment',
  trace: 'trace_id',
  span: 'span_id',
} as const

export const momentOf = (moment: Moment, now: number): number => ('at' in moment ? moment.at : now - moment.ago)

function between(part: Search & { is: 'time' }, now: number, parameters: Parameters, reach: Reach): string {
  const from = part.from && `${reach.last} >= ${parameters.moment(momentOf(part.from, now))}`
  const to = part.to && `${reach.first} <= ${parameters.moment(momentOf(part.to, now))}`
  return from && to ? `(${from} AND ${to})` : (from ?? to ?? 'true')
}

type Bind = (value: string, type: 'String') => string

/**
 * Text in a line, whatever its case. What has no case but that of ASCII, Chinese and Japanese among it, is looked for in
 * `lower(body)`, which the indexes of the table know; for the rest the engine must know the case of every letter.
 */
function textCondition(text: Text, bind: Bind): string {
  const like = `%${likeOf(text)}%`
  const small = like.replaceAll(/[A-Z]+/g, letters => letters.toLowerCase())
  const isPlain = small.toLowerCase() === small && !hasCase(small)
  return isPlain
    ? `lower(body) LIKE ${bind(small, 'String')}`
    : `lowerUTF8(body) LIKE lowerUTF8(${bind(like, 'String')})`
}

/** Whether there are letters that have a case, other than those of ASCII. */
const hasCase = (text: string): boolean => /\p{Changes_When_Uppercased}/u.test(text.replaceAll(/\p{ASCII}/gu, ''))

const likeOf = (text: Text): string => text.map(piece => piece.replaceAll(/[\\%_]/g, '\\$&')).join('%')

const isAnything = (text: Text): boolean => text.length > 1 && text.every(piece => piece === '')

function matches(column: string, text: Text, bind: Bind): string {
  if (isAnything(text)) return 'true'
  return text.length === 1 ? `${column} = ${bind(text[0], 'String')}` : `${column} LIKE ${bind(likeOf(text), 'String')}`
}

/** An attribute that is missing has no value, and is not an empty one. */
function attributeCondition(name: string, text: Text, bind: Bind): string {
  const value = `attributes[${name}]`
  if (isAnything(text)) return `mapContains(attributes, ${name})`
  if (text.length === 1 && text[0] !== '') return `${value} = ${bind(text[0], 'String')}`
  return `(mapContains(attributes, ${name}) AND ${matches(value, text, bind)})`
}
