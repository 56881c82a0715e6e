import type { Store } from '../store.ts'
import { aggregateLogs } from './aggregate-logs.ts'
import { detectAnomalies } from './detect-anomalies.ts'
import { parseSearch } from './parse.ts'
import type { Sampled } from './sampled.ts'
import { scopeOf, withoutTimes } from './scope.ts'
import { searchLogs } from './search-logs.ts'

/** From where and when a runbook asks. Its query can narrow it, and choose another service, never another environment. */
export interface LookScope {
  readonly environment: string
  /** Applies unless the query names a service. */
  readonly service: string
  /** Milliseconds since 1970: `last_5m` ends here. */
  readonly at: number
  /** Most patterns, and most examples. */
  readonly limit: number
}

export interface LookResult {
  readonly count: number
  /** There where and when the query looked lines were left out: `count` is the least there can have been. */
  readonly sampled?: Sampled
  /** Most frequent first. */
  readonly patterns: readonly { readonly template: string; readonly count: number }[]
  /** Newest first. */
  readonly examples: readonly { readonly time: number; readonly service: string; readonly body: string }[]
  /** What was unusual about lines of the environment and service then, newest first. */
  readonly anomalies: readonly { readonly end: number; readonly subject: string; readonly why: string }[]
}

/** Characters of an example. */
const LONGEST = 500

/**
 * What a runbook wants to know of log lines: how many match, their most frequent patterns, the newest ones, and
 * what was unusual meanwhile.
 * @throws {SearchError} if the query cannot be read
 * @throws {SinkError} if the store does not answer
 */
export async function lookIntoLogs(store: Store, query: string, scope: LookScope): Promise<LookResult> {
  const { environment, service, at, limit } = scope
  const range = { to: at + 1 }
  const { lines } = await searchLogs(store, query, range, { environment, service, limit })
  const counted = await aggregateLogs(store, range, { query, environment, service, by: ['pattern'], limit })
  const search = parseSearch(query)
  const { from, to } = withoutTimes(search, scopeOf(search, range, { environment })).scope
  // As far as a query looks, but of the service that it was asked for.
  const { anomalies } = await detectAnomalies({ environment, service, from, to, limit }, store)
  return {
    count: counted.total,
    ...(counted.sampled ? { sampled: counted.sampled } : {}),
    patterns: counted.groups.map(({ template, pattern, count }) => ({ template: template || pattern || '', count })),
    examples: lines.map(({ time, service, body }) => ({ time, service, body: body.slice(0, LONGEST) })),
    anomalies: anomalies.map(({ end, subject, why }) => ({ end, subject, why })),
  }
}
