import type { Store } from '../store.ts'
import { Parameters, type Reach } from './compile.ts'
import { conditionOf, names, type Scope, withoutTimes } from './scope.ts'
import type { Search } from './search.ts'

// What `log_counts` can tell: how many lines there were of each service and pattern in each window, before any sampling.

/** A query without its times, which its scope has instead. */
export interface Countable {
  readonly search: Search
  readonly scope: Scope
}

/**
 * A query that the counts can answer: it asks for nothing but places, patterns and one stretch of time. Undefined: the
 * lines themselves must be looked at. The severity of a count is the highest of its lines, so it counts no severities.
 */
export function countable(search: Search, scope: Scope, by: readonly string[]): Countable | undefined {
  if (by.includes('severity')) return undefined
  const { rest, scope: narrowed } = withoutTimes(search, scope)
  if (rest.some(part => uncounted.some(is => names(part, is)))) return undefined
  return { search: { is: 'and', parts: [{ is: 'all' }, ...rest] }, scope: narrowed }
}

const uncounted = ['time', 'level', 'trace', 'span', 'attribute', 'number', 'text'] as const

/** Between these times all lines of all services that were counted at all are in the counts. */
export interface Coverage {
  readonly from: number
  readonly to: number
}

/** A window, where it must lie as a whole within what is asked for. */
const ofWindow: Reach = { first: 'subtractMilliseconds(`end`, 1)', last: 'start' }

/** Undefined: there are no counts, or their windows do not fit into the buckets. */
export async function coverageOf(
  store: Store,
  { search, scope }: Countable,
  bucket: number,
  isBucketed: boolean,
): Promise<Coverage | undefined> {
  const parameters = new Parameters()
  const length = parameters.bind(bucket, 'Int64')
  const [found] = await store.query<{ from: string; to: string; services: string; cut: string }>(
    `SELECT toUnixTimestamp64Milli(max(begin)) AS from, toUnixTimestamp64Milli(min(until)) AS to, count() AS services,
            sum(across) AS cut
     FROM (SELECT min(start) AS begin, max(\`end\`) AS until, countIf(intDiv(toUnixTimestamp64Milli(start), ${length})
                  != intDiv(toUnixTimestamp64Milli(\`end\`) - 1, ${length})) AS across
           FROM log_counts WHERE ${conditionOf(search, scope, parameters, ofWindow)} GROUP BY environment, service)`,
    parameters.values,
  )
  if (!found || Number(found.services) === 0 || (isBucketed && Number(found.cut) > 0)) return undefined
  return { from: Number(found.from), to: Number(found.to) }
}

/**
 * Rows with a number of `lines`: those of whole windows from the counts; and lines outside of the windows their service
 * was counted in, and those that came too late to be counted.
 */
export function fromCounts(
  search: Search,
  scope: Scope,
  parameters: Parameters,
  picked: (time: string) => string,
  coverage: Coverage,
): string {
  const windows = conditionOf(search, scope, parameters, ofWindow)
  const lines = conditionOf(search, scope, parameters)
  const [from, to] = [parameters.moment(coverage.from), parameters.moment(coverage.to)]
  const covered = `SELECT environment, service, min(start) AS begin, max(\`end\`) AS until
    FROM log_counts WHERE ${windows} GROUP BY environment, service`
  return `
    SELECT ${picked('start')}toInt64(count) AS lines FROM log_counts FINAL WHERE ${windows}
    UNION ALL
    SELECT ${picked('time')}toInt64(1) AS lines
    FROM (SELECT environment, service, time, pattern FROM log_lines FINAL
          PREWHERE ${lines} AND (pattern = '' OR time < ${from} OR time >= ${to}
            OR (environment, service) NOT IN (SELECT environment, service FROM (${covered})))) AS found
    LEFT JOIN (${covered}) AS covered USING (environment, service)
    WHERE pattern = '' OR time < begin OR time >= until`
}
