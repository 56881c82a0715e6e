import { z } from 'zod'
import type { Row, Store } from '../store.ts'
import { Parameters } from './compile.ts'
import { type LineCursor, type LinePlace, type Order, writeCursor } from './cursor.ts'
import { parseSearch } from './parse.ts'
import { printSearch } from './print.ts'
import { type Sampled, sampledLines } from './sampled.ts'
import { conditionOf, type Place, type Scope, scopeOf, type TimeRange } from './scope.ts'
import type { Search } from './search.ts'

/** What a line as it is kept looks like to callers. */
export const FoundLine = z.strictObject({
  time: z.number().describe('Milliseconds since 1970 UTC.'),
  environment: z.string(),
  service: z.string(),
  severity: z.int().describe('OpenTelemetry’s number, 1-24; 0 is unknown.'),
  pattern: z.string().describe('Id of its pattern; empty: it came too late for one.'),
  body: z.string(),
  cut: z.boolean().describe('True: the line is longer than `body`.'),
  attributes: z.record(z.string(), z.string()),
  traceId: z.string(),
  spanId: z.string(),
  origin: z
    .strictObject({ stream: z.string(), offset: z.int(), index: z.int() })
    .describe('Where it entered: no two lines have the same.'),
})
export type FoundLine = z.output<typeof FoundLine>

export interface SearchResult {
  /** The query as it was read. */
  readonly query: string
  /** Between which times it was looked, apart from what the query says itself: milliseconds since 1970, `to` not included. */
  readonly from: number
  readonly to: number
  readonly lines: readonly FoundLine[]
  /** Cursors of the pages behind and before this one; null: there is none. */
  readonly next: string | null
  readonly previous: string | null
  /** There where and when the query looked lines were left out: more may have matched. */
  readonly sampled?: Sampled
}

export interface SearchOptions extends Place {
  /** Most lines of a page. */
  readonly limit: number
  readonly order?: Order
  readonly cursor?: LineCursor | undefined
}

/**
 * Looks log lines up, a page of them. Pages are stable: what comes in meanwhile moves no line to another page.
 * @throws {SearchError} if the query cannot be read
 * @throws {SinkError} if the store does not answer
 */
export async function searchLogs(
  store: Store,
  query: string,
  range: TimeRange,
  options: SearchOptions,
): Promise<SearchResult> {
  const search = parseSearch(query)
  const { limit, cursor } = options
  const scope = scopeOf(search, cursor ?? range, options)
  const order = cursor?.order ?? options.order ?? 'newest'
  const back = cursor?.back ?? false
  // One more than asked for tells whether there is a further page.
  const found = await linesOf(store, search, scope, { order, back, place: cursor?.place, limit: limit + 1 })
  const more = found.length > limit
  const lines = back ? found.slice(0, limit).reverse() : found.slice(0, limit)
  const at = (line: FoundLine | undefined, isBack: boolean, exists: boolean): string | null =>
    line && exists ? writeCursor({ order, back: isBack, from: scope.from, to: scope.to, place: placeOf(line) }) : null
  const sampled = await sampledLines(store, search, scope)
  return {
    ...{ query: printSearch(search), from: scope.from, to: scope.to },
    lines,
    next: at(lines.at(-1), false, back || more),
    previous: at(lines[0], true, back ? more : cursor !== undefined),
    ...(sampled ? { sampled } : {}),
  }
}

const placeOf = ({ time, environment, service, origin }: FoundLine): LinePlace => ({
  time,
  environment,
  service,
  ...origin,
})

/** Characters of a line that are answered. */
const LONGEST = 10_000

const identity = ['time', 'environment', 'service', 'origin_stream', 'origin_offset', 'origin_index'] as const

/**
 * Rows of one identity are equal, so it is all the same whether one is chosen before or after it is looked at: conditions
 * go first, and an index need not look for the others of a row.
 */
export const finalSettings = 'SETTINGS use_skip_indexes_if_final = 1, use_skip_indexes_if_final_exact_mode = 0'

interface Page {
  readonly order: Order
  readonly back: boolean
  readonly place: LinePlace | undefined
  readonly limit: number
}

/** Length of the stretch of time that is looked at first, and how many times as long the next ones are. */
const STRETCH = 60_000
const GROWTH = 30

/**
 * The lines of a page. Where many match, those next to where it begins fill it, and the rest need not be read; so it is
 * looked for in a short stretch of time, and in longer ones while they do not.
 */
async function linesOf(store: Store, search: Search, scope: Scope, page: Page): Promise<FoundLine[]> {
  const descending = (page.order === 'newest') !== page.back
  const { place } = page
  const from = descending || !place ? scope.from : Math.max(scope.from, place.time)
  const to = descending && place ? Math.min(scope.to, place.time + 1) : scope.to
  for (let stretch = STRETCH; stretch * GROWTH < to - from; stretch *= GROWTH) {
    const near = descending ? { from: to - stretch, to } : { from, to: from + stretch }
    const found = await linesWithin(store, search, scope, page, near)
    if (found.length === page.limit) return found
  }
  return linesWithin(store, search, scope, page, { from, to })
}

async function linesWithin(
  store: Store,
  search: Search,
  scope: Scope,
  page: Page,
  { from, to }: { from: number; to: number },
): Promise<FoundLine[]> {
  const parameters = new Parameters()
  const descending = (page.order === 'newest') !== page.back
  const within: Search = { is: 'time', from: { at: from }, to: { at: to - 1 } }
  const where = [
    conditionOf({ is: 'and', parts: [within, search] }, scope, parameters),
    ...(page.place ? [beyond(page.place, descending, parameters)] : []),
  ].join(' AND ')
  const direction = descending ? 'DESC' : 'ASC'
  const rows = await store.query<Row>(
    `SELECT toUnixTimestamp64Milli(log_lines.time) AS at, environment, service, severity, pattern,
            substringUTF8(body, 1, ${LONGEST}) AS text, lengthUTF8(body) > ${LONGEST} AS cut, attributes,
            trace_id, span_id, origin_stream, origin_offset, origin_index
     FROM log_lines FINAL
     PREWHERE ${where}
     ORDER BY ${identity.map(column => `log_lines.${column} ${direction}`).join(', ')}
     LIMIT ${parameters.bind(page.limit, 'UInt32')}
     ${finalSettings}`,
    parameters.values,
  )
  return rows.map(lineOf)
}

function beyond(place: LinePlace, descending: boolean, parameters: Parameters): string {
  const sign = descending ? '<' : '>'
  const time = parameters.moment(place.time)
  const rest = [place.environment, place.service, place.stream].map(text => parameters.bind(text, 'String'))
  const numbers = [place.offset, place.index].map(number => parameters.bind(number, 'Int64'))
  return `(${identity.join(', ')}) ${sign} (${[time, ...rest, ...numbers].join(', ')})`
}

const lineOf = (row: Row): FoundLine =>
  FoundLine.parse({
    time: Number(row.at),
    environment: row.environment,
    service: row.service,
    severity: row.severity,
    pattern: row.pattern,
    body: row.text,
    cut: row.cut === 1 || row.cut === true,
    attributes: row.attributes,
    traceId: row.trace_id,
    spanId: row.span_id,
    origin: { stream: row.origin_stream, offset: Number(row.origin_offset), index: row.origin_index },
  })
