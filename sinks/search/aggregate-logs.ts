import { z } from 'zod'
import type { Row, Store } from '../store.ts'
import { Parameters } from './compile.ts'
import { type Coverage, countable, coverageOf, fromCounts } from './counted.ts'
import { merges } from './merged-patterns.ts'
import { parseSearch } from './parse.ts'
import { type Sampled, sampledLines } from './sampled.ts'
import { conditionOf, type Place, type Scope, scopeOf, type TimeRange } from './scope.ts'
import type { Search } from './search.ts'
import { finalSettings } from './search-logs.ts'

/** What lines can be counted by. */
export const GroupKey = z.enum(['environment', 'service', 'severity', 'pattern', 'time'])
export type GroupKey = z.output<typeof GroupKey>

export interface LogFilters extends Place {
  /** As of `searchLogs`; absent: every line. */
  readonly query?: string | undefined
  /** None: one number. */
  readonly by?: readonly GroupKey[]
  /** Milliseconds of a bucket of time; aligned to 1970. */
  readonly bucket?: number
  /** Most groups. */
  readonly limit: number
}

export const LogGroup = z.strictObject({
  environment: z.string().optional(),
  service: z.string().optional(),
  severity: z.int().optional().describe('OpenTelemetry’s number, 1-24; 0 is unknown.'),
  pattern: z.string().optional().describe('Empty: lines that came too late for one.'),
  template: z.string().optional().describe('Text of the pattern as it stands.'),
  time: z.number().optional().describe('Begin of the bucket, in milliseconds since 1970 UTC.'),
  count: z.int(),
})
export type LogGroup = z.output<typeof LogGroup>

export interface LogAggregate {
  readonly from: number
  readonly to: number
  /** Of all groups, also those that `groups` has no room for. */
  readonly total: number
  /** Most lines first; with time, in the order of time. */
  readonly groups: readonly LogGroup[]
  /** How many groups there are. */
  readonly found: number
  /** From what it was counted: the lines that are kept, or the counts of all lines, whole windows of them. */
  readonly source: 'lines' | 'counts'
  /** Lines were left out of those that were counted. */
  readonly sampled?: Sampled
}

/**
 * Counts log lines. Exact: what can be said by service, pattern and time is taken from the counts made before any
 * sampling; else lines are counted, and it is said if some were left out.
 * @throws {SearchError} if the query cannot be read
 * @throws {SinkError} if the store does not answer
 */
export async function aggregateLogs(store: Store, range: TimeRange, filters: LogFilters): Promise<LogAggregate> {
  const search = parseSearch(filters.query?.trim() ? filters.query : '*')
  const scope = scopeOf(search, range, filters)
  const { by = [], bucket = 60_000, limit } = filters
  const counted = countable(search, scope, by)
  const coverage = counted && (await coverageOf(store, counted, bucket, by.includes('time')))
  const asked = { by, bucket, limit }
  if (counted && coverage) return groupsOf(store, counted.search, counted.scope, asked, coverage)
  return groupsOf(store, search, scope, asked)
}

interface Asked {
  readonly by: readonly GroupKey[]
  readonly bucket: number
  readonly limit: number
}

async function groupsOf(
  store: Store,
  search: Search,
  scope: Scope,
  { by, bucket, limit }: Asked,
  coverage?: Coverage,
): Promise<LogAggregate> {
  const parameters = new Parameters()
  const keys = [...new Set(by)]
  const columns = keys.map(key => (key === 'time' ? 'slot' : key)).join(', ')
  const length = parameters.bind(bucket, 'Int64')
  const slot = (time: string) => `intDiv(toUnixTimestamp64Milli(${time}), ${length}) * ${length} AS slot`
  const picked = (time: string) => keys.map(key => `${key === 'time' ? slot(time) : key}, `).join('')
  const rows = coverage
    ? fromCounts(search, scope, parameters, picked, coverage)
    : `SELECT ${picked('time')}1 AS lines FROM log_lines FINAL PREWHERE ${conditionOf(search, scope, parameters)}`
  const counted = keys.includes('pattern') ? asMerged(rows, keys) : rows
  const texts = keys.includes('pattern')
    ? `LEFT JOIN (SELECT pattern AS id, argMax(template, version) AS template FROM log_patterns GROUP BY id) AS texts
       ON groups.pattern = texts.id`
    : ''
  const found = await store.query<Row>(
    `SELECT ${[...columns.split(', ').filter(Boolean), ...(texts ? ['template'] : [])].map(name => `${name}, `).join('')}
            count, total, found
     FROM (SELECT ${columns && `${columns}, `}sum(lines) AS count, sum(count) OVER () AS total, count() OVER () AS found
           FROM (${counted}) ${columns && `GROUP BY ${columns}`}
           ORDER BY ${keys.includes('time') ? 'slot, ' : ''}count DESC${columns && `, ${columns}`}
           LIMIT ${parameters.bind(limit, 'UInt32')}) AS groups ${texts}
     ORDER BY ${keys.includes('time') ? 'slot, ' : ''}count DESC${columns && `, ${columns}`}
     ${finalSettings}`,
    parameters.values,
  )
  const sampled = await sampledLines(store, search, scope, coverage)
  return {
    from: scope.from,
    to: scope.to,
    total: Number(found[0]?.total ?? 0),
    groups: found.filter(({ count }) => Number(count) > 0).map(row => groupOf(row, keys)),
    found: keys.length === 0 ? 1 : Number(found[0]?.found ?? 0),
    source: coverage ? 'counts' : 'lines',
    ...(sampled ? { sampled } : {}),
  }
}

/** The same rows under the patterns that stand for theirs now. */
function asMerged(rows: string, keys: readonly GroupKey[]): string {
  const pattern = "if(merges.into = '', rows.pattern, merges.into) AS pattern"
  const columns = keys.map(key =>
    key === 'pattern' ? pattern : `rows.${key === 'time' ? 'slot' : key} AS ${key === 'time' ? 'slot' : key}`,
  )
  return `SELECT ${columns.join(', ')}, rows.lines AS lines
    FROM (${rows}) AS rows LEFT JOIN (${merges}) AS merges ON rows.pattern = merges.id`
}

function groupOf(row: Row, keys: readonly GroupKey[]): LogGroup {
  const values = keys.map(key => [key, key === 'time' ? Number(row.slot) : row[key]] as const)
  const template = keys.includes('pattern') ? { template: row.template } : {}
  return LogGroup.parse({ ...Object.fromEntries(values), ...template, count: Number(row.count) })
}
