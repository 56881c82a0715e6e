import { readLevel } from '../operators/severity.ts'
import { milliseconds } from '../operators/window.ts'
import { isOfErrors, placesOf, type Sampled } from './sampled.ts'
import type { Store } from './store.ts'

// A small language for log lines: `level:error AND timestamp:last_5m AND service:checkout AND "connection refused"`.
// What people type becomes bound parameters and never part of the SQL.

/** A query as a tree. */
export type Search =
  | { readonly is: 'and' | 'or'; readonly parts: readonly Search[] }
  | { readonly is: 'not'; readonly part: Search }
  /** At least as severe as that. */
  | { readonly is: 'level'; readonly severity: number }
  /** Not older than that many milliseconds. */
  | { readonly is: 'age'; readonly ms: number }
  /** In `value`, `*` stands for anything. */
  | { readonly is: 'service' | 'pattern' | 'trace'; readonly value: string }
  | { readonly is: 'text'; readonly value: string }

/** A query cannot be read. The message says where, and what is possible there. */
export class SearchError extends Error {
  override readonly name = 'SearchError'
}

interface Token {
  readonly text: string
  readonly at: number
  readonly quoted: boolean
}

const fields = ['level', 'timestamp', 'service', 'pattern', 'trace'] as const

/**
 * Reads a query: words, "phrases" and `field:value`, joined by AND (or by nothing), OR, NOT and parentheses. Fields:
 * `level:warn` (at least), `timestamp:last_5m`, `service:api-*`, `pattern:<id>`, `trace:<id>`.
 * @throws {SearchError}
 */
export function parseSearch(query: string): Search {
  const tokens = tokensOf(query)
  let next = 0
  const peek = () => tokens[next]
  const isWord = (word: string) => peek()?.text === word && !peek()?.quoted
  const accept = (word: string) => isWord(word) && ++next > 0

  const or = (): Search => joined('or', and, () => accept('OR'))
  const and = (): Search =>
    joined('and', not, () => accept('AND') || (peek() !== undefined && !isWord('OR') && !isWord(')')))
  const not = (): Search => (accept('NOT') ? { is: 'not', part: not() } : leaf())
  const leaf = (): Search => {
    const token = tokens[next++]
    if (!token || (!token.quoted && ['AND', 'OR', ')'].includes(token.text)))
      throw new SearchError(
        `log query '${query}': a word, "phrase" or field:value is missing ${token ? `before '${token.text}'` : 'at the end'}`,
      )
    if (token.text !== '(' || token.quoted) return term(query, token)
    const inner = or()
    if (!accept(')')) throw new SearchError(`log query '${query}': the ( at ${token.at + 1} is not closed`)
    return inner
  }
  const found = or()
  const rest = peek()
  if (rest) throw new SearchError(`log query '${query}': the ${rest.text} at ${rest.at + 1} was not opened`)
  return found
}

function joined(is: 'and' | 'or', part: () => Search, more: () => boolean): Search {
  const parts = [part()]
  while (more()) parts.push(part())
  return parts.length === 1 ? parts[0]! : { is, parts }
}

function tokensOf(query: string): Token[] {
  const tokens: Token[] = []
  for (const match of query.matchAll(
    /\s+|([()])|"((?:[^"\\]|\\.)*)"|((?:[^\s()":]+:)?"(?:[^"\\]|\\.)*"|[^\s()"]+)|(")/g,
  )) {
    const [, bracket, phrase, word, open] = match
    if (open !== undefined)
      throw new SearchError(
        `log query '${query}': the " at ${match.index + 1} is not closed; write \\" for a quote itself`,
      )
    if (phrase !== undefined) tokens.push({ text: unquote(phrase), at: match.index, quoted: true })
    else if (bracket ?? word) tokens.push({ text: (bracket ?? word)!, at: match.index, quoted: false })
  }
  return tokens
}

const unquote = (text: string) => text.replaceAll(/\\(.)/g, '$1')

function term(query: string, { text, quoted }: Token): Search {
  const [, field, rest] = (!quoted && /^([A-Za-z_.]+):(.*)$/s.exec(text)) || []
  if (field === undefined || rest === undefined) return { is: 'text', value: text }
  const value = rest.startsWith('"') ? unquote(rest.slice(1, -1)) : rest
  switch (field) {
    case 'level':
      return { is: 'level', severity: severityOf(query, value) }
    case 'timestamp':
      return { is: 'age', ms: ageOf(query, value) }
    case 'service':
    case 'pattern':
    case 'trace':
      if (value === '') throw new SearchError(`log query '${query}': ${field}: has no value`)
      return { is: field, value }
    default:
      throw new SearchError(
        `log query '${query}': no field '${field}'; there are ${fields.join(', ')}, or write "${text}" to look for that text`,
      )
  }
}

function severityOf(query: string, value: string): number {
  const severity = readLevel(value)
  if (severity === 0)
    throw new SearchError(`log query '${query}': '${value}' is no level; use trace, debug, info, warn, error or fatal`)
  return severity
}

function ageOf(query: string, value: string): number {
  try {
    if (value.startsWith('last_')) return milliseconds(value.slice('last_'.length))
  } catch {
    // The message below says what is possible.
  }
  throw new SearchError(`log query '${query}': '${value}' is no time; write it as last_5m or last_1h30m`)
}

/** From where and when a query is asked. The query can narrow it, and choose another service, never another environment. */
export interface SearchScope {
  readonly environment: string
  /** Applies unless the query names a service. */
  readonly service: string
  /** Milliseconds since 1970: `last_5m` ends here. */
  readonly at: number
  /** Most patterns, and most examples. */
  readonly limit: number
}

/** A query that names no time looks back that far. */
export const defaultAge = 900_000

export interface Condition {
  readonly where: string
  readonly params: Readonly<Record<string, string | number>>
}

/** The condition on `log_lines`; all values are parameters. */
export function compileSearch(search: Search, { environment, service, at }: SearchScope): Condition {
  const params: Record<string, string | number> = {}
  const bind = (value: string | number, type: string) => {
    const name = `p${Object.keys(params).length}`
    params[name] = value
    return `{${name}:${type}}`
  }
  const since = (ms: number) => `time > fromUnixTimestamp64Milli(${bind(at - ms, 'Int64')})`
  const compile = (part: Search): string => {
    switch (part.is) {
      case 'and':
      case 'or':
        return `(${part.parts.map(compile).join(` ${part.is.toUpperCase()} `)})`
      case 'not':
        return `NOT ${compile(part.part)}`
      case 'level':
        return `severity >= ${bind(part.severity, 'UInt8')}`
      case 'age':
        return since(part.ms)
      case 'text':
        return `positionCaseInsensitiveUTF8(body, ${bind(part.value, 'String')}) > 0`
      default:
        return matches(columns[part.is], part.value, bind)
    }
  }
  const wanted = compile(search)
  const all = [
    `environment = ${bind(environment, 'String')}`,
    ...(names(search, 'service') ? [] : [`service = ${bind(service, 'String')}`]),
    ...(names(search, 'age') ? [] : [since(defaultAge)]),
    `time <= fromUnixTimestamp64Milli(${bind(at, 'Int64')})`,
    wanted,
  ]
  return { where: all.join(' AND '), params }
}

const columns = { service: 'service', pattern: 'pattern', trace: 'trace_id' } as const

function matches(column: string, value: string, bind: (value: string, type: string) => string): string {
  if (!value.includes('*')) return `${column} = ${bind(value, 'String')}`
  const like = value.replaceAll(/[\\%_]/g, '\\$&').replaceAll('*', '%')
  return `${column} LIKE ${bind(like, 'String')}`
}

function names(search: Search, is: Search['is']): boolean {
  if (search.is === 'and' || search.is === 'or') return search.parts.some(part => names(part, is))
  return search.is === 'not' ? names(search.part, is) : search.is === is
}

export interface SearchResult {
  /** Of the lines that are kept. */
  readonly count: number
  /** There where and when the query looked lines were left out: `count` is the least there can have been. */
  readonly sampled?: Sampled
  /** Most frequent first. */
  readonly patterns: readonly { readonly template: string; readonly count: number }[]
  /** Newest first. */
  readonly examples: readonly { readonly time: number; readonly service: string; readonly body: string }[]
}

/**
 * Looks log lines up: how many match, their most frequent patterns, and the newest ones.
 * @throws {SearchError} if the query cannot be read
 * @throws {SinkError} if the store does not answer
 */
export async function searchLogs(store: Store, query: string, scope: SearchScope): Promise<SearchResult> {
  const search = parseSearch(query)
  const { where, params } = compileSearch(search, scope)
  const bound = { ...params, limit: scope.limit }
  const [total] = await store.query<{ count: string }>(
    `SELECT count() AS count FROM log_lines FINAL WHERE ${where}`,
    params,
  )
  const patterns = await store.query<{ template: string; count: string }>(
    `WITH texts AS (SELECT pattern, argMax(template, version) AS template, argMax(merged_into, version) AS into
                    FROM log_patterns GROUP BY pattern)
     SELECT coalesce(nullIf(survivors.template, ''), nullIf(own.template, ''), lines.pattern) AS template,
            sum(lines.count) AS count
     FROM (SELECT pattern, count() AS count FROM log_lines FINAL WHERE ${where} GROUP BY pattern) AS lines
     LEFT JOIN texts AS own ON lines.pattern = own.pattern
     LEFT JOIN texts AS survivors ON own.into = survivors.pattern AND own.into != ''
     GROUP BY if(own.into = '', lines.pattern, own.into), template
     ORDER BY count DESC, template LIMIT {limit:UInt32}`,
    bound,
  )
  const examples = await store.query<{ at: string; service: string; body: string }>(
    `SELECT toUnixTimestamp64Milli(time) AS at, service, substring(body, 1, 500) AS body FROM log_lines FINAL
     WHERE ${where} ORDER BY time DESC LIMIT {limit:UInt32}`,
    bound,
  )
  const sampled = await sampledLines(store, search, scope)
  return {
    count: Number(total?.count ?? 0),
    ...(sampled ? { sampled } : {}),
    patterns: patterns.map(({ template, count }) => ({ template, count: Number(count) })),
    examples: examples.map(({ at, service, body }) => ({ time: Number(at), service, body })),
  }
}

/** What was left out of the table where and when a query looks; undefined: nothing. */
async function sampledLines(store: Store, search: Search, scope: SearchScope): Promise<Sampled | undefined> {
  const { where, params } = compileSearch(placesOf(search, defaultAge), scope)
  const [all, left] = isOfErrors(search) ? ['errors', 'errors_kept'] : ['lines + errors', 'kept + errors_kept']
  const [found] = await store.query<{ lines: string; kept: string }>(
    `SELECT sum(${all}) AS lines, sum(${left}) AS kept
     FROM (SELECT environment, service, start AS time, lines, kept, errors, errors_kept FROM log_sampling FINAL)
     WHERE ${where}`,
    params,
  )
  const [lines, kept] = [Number(found?.lines ?? 0), Number(found?.kept ?? 0)]
  return lines > kept ? { lines, kept } : undefined
}
