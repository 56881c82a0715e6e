// What a query for log lines means, as a tree. Equal queries are equal trees: nothing of how it was written is kept.

/** Text with gaps: what stands between the pieces may be anything. One piece: no gap. */
export type Text = readonly [string, ...string[]]

/** A moment: milliseconds since 1970, or so many before the query is asked. */
export type Moment = { readonly at: number } | { readonly ago: number }

export interface Bound {
  readonly value: number
  readonly included: boolean
}

export type Search =
  /** Every line. */
  | { readonly is: 'all' }
  | { readonly is: 'and' | 'or'; readonly parts: readonly Search[] }
  | { readonly is: 'not'; readonly part: Search }
  /** OpenTelemetry's severity, 0-24, both ends included. */
  | { readonly is: 'level'; readonly least: number; readonly most: number }
  /** Both ends included; a missing one is open. */
  | { readonly is: 'time'; readonly from?: Moment; readonly to?: Moment }
  | { readonly is: Column; readonly value: Text }
  | { readonly is: 'attribute'; readonly name: string; readonly value: Text }
  /** An attribute that is a number, within bounds. */
  | { readonly is: 'number'; readonly name: string; readonly above?: Bound; readonly below?: Bound }
  /** Somewhere in the line, whatever its case. */
  | { readonly is: 'text'; readonly value: Text }

/** Fields with a column of their own, matched as they are. */
export const columns = ['service', 'environment', 'pattern', 'trace', 'span'] as const
export type Column = (typeof columns)[number]

/** Other names people know these fields by. */
export const aliases: ReadonlyMap<string, string> = new Map([
  ['severity', 'level'],
  ['time', 'timestamp'],
  ['@timestamp', 'timestamp'],
  ['env', 'environment'],
  ['trace_id', 'trace'],
  ['traceId', 'trace'],
  ['span_id', 'span'],
  ['spanId', 'span'],
  ['body', 'message'],
])

/** Fields that are no attributes. */
export const fields = ['level', 'timestamp', ...columns, 'message'] as const

/** Before the name of an attribute that is called like a field. */
export const attributePrefix = 'attributes.'

/** Characters of a query that are shown before and behind the place of an error. */
const SHOWN = 60

/** A query cannot be read. The message says what is possible there and, under the query, where. */
export class SearchError extends Error {
  override readonly name = 'SearchError'
  /** From 1. */
  readonly column: number
  constructor(query: string, at: number, problem: string) {
    super(`query, column ${at + 1}: ${problem}\n${pointed(query, at)}`)
    this.column = at + 1
  }
}

const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/g

/** The query, or what of it is near, and a ^ under the place. */
function pointed(query: string, at: number): string {
  const from = Math.max(0, at - SHOWN)
  const before = shown(query.slice(from, at))
  const cut = from > 0 ? '…' : ''
  const more = at + SHOWN < query.length ? '…' : ''
  // East Asian characters take two places on a terminal.
  const places = before.length + (before.match(wide)?.length ?? 0) + cut.length
  return `${cut}${before}${shown(query.slice(at, at + SHOWN))}${more}\n${' '.repeat(places)}^`
}

const shown = (text: string): string => text.toWellFormed().replaceAll(/\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/gu, ' ')

/** Text that is quoted in a message: not all of a long one. */
export const quoted = (text: string): string => `'${shown(text.length > 40 ? `${text.slice(0, 40)}…` : text)}'`
