import { z } from 'zod'
import { Duration } from '../operators/window.ts'
import type { ApiOptions } from './api.ts'
import { HttpError } from './http-error.ts'
import { ask } from './query.ts'
import { Cursor, cursorOf, environment, limit, Moment, ok, type Route, route, service } from './route.ts'
import { aggregateLogs, GroupKey, LogGroup } from './search/aggregate-logs.ts'
import { LineCursorText, Order } from './search/cursor.ts'
import { DetectedAnomalies, detectAnomalies, HandedLines } from './search/detect-anomalies.ts'
import { LogAnomaly, LogPattern, logPatterns } from './search/log-queries.ts'
import { defaultAge } from './search/scope.ts'
import { FoundLine, searchLogs } from './search/search-logs.ts'

const place = { environment, service }
const times = {
  from: Moment.optional().describe(
    'Begin of the time asked for. Default: as far back as the query says, else 15 minutes.',
  ),
  to: Moment.optional().describe('End of the time asked for, from where `last_5m` counts back. Default: now.'),
}
const query = z.string().describe('For example level:error AND "timeout" -status:200 latency:>500; see README.md.')

const Sampled = z
  .strictObject({ lines: z.int(), kept: z.int() })
  .optional()
  .describe('There where and when it was looked only so many lines of all are kept: more may match.')

/** Now, where nothing else is asked for; the newest line counts. */
const nowOf = ({ clock }: ApiOptions): number => (clock ?? Date).now() + 1

const stretchOf = ({ from, to }: { from?: number | undefined; to?: number | undefined }, options: ApiOptions) => {
  const end = to ?? nowOf(options)
  return { from: from ?? Math.max(0, end - defaultAge), to: end }
}

const search = route({
  method: 'GET',
  url: '/v1/logs/search',
  summary: 'Log lines that a query finds, page by page.',
  querystring: z.strictObject({
    query: query.min(1),
    ...times,
    ...place,
    order: Order.default('newest').describe('Which lines come first.'),
    cursor: LineCursorText.optional().describe('`next` or `previous` of another answer to the same query.'),
    limit,
  }),
  answers: {
    200: z.strictObject({
      query: z.string().describe('The query as it was read, written in full.'),
      from: z.number().describe('Begin of the time that was looked at, apart from what the query says itself.'),
      to: z.number().describe('End of it, not included.'),
      lines: z.array(FoundLine),
      next: z.string().nullable().describe('Cursor of the page behind; null: this is the last.'),
      previous: z.string().nullable().describe('Cursor of the page before; null: this is the first.'),
      sampled: Sampled,
    }),
  },
  refuses: [400, 401, 503],
  async answer({ query, from, to, ...options }, api) {
    return ok(await searchLogs(api.store, query, { from, to: to ?? nowOf(api) }, options))
  },
})

const Keys = z
  .string()
  .transform(text => text.split(',').filter(Boolean))
  .pipe(z.array(GroupKey))
  .describe('By what to count, with commas: environment, service, severity, pattern, time.')

const SECOND = 1_000

const aggregate = route({
  method: 'GET',
  url: '/v1/logs/aggregate',
  summary: 'How many log lines there are, by service, severity, pattern and time.',
  querystring: z.strictObject({
    query: query.optional(),
    ...times,
    ...place,
    by: Keys.default([]),
    bucket: Duration.default(60 * SECOND)
      .refine(length => length >= SECOND && Number.isInteger(length), 'is too short; write 1s or more')
      .describe('Length of the buckets of time.'),
    limit: z.coerce.number().int().min(1).max(10_000).default(1_000).describe('Most groups of one answer.'),
  }),
  answers: {
    200: z.strictObject({
      from: z.number(),
      to: z.number(),
      total: z.int().describe('Lines of all groups.'),
      groups: z.array(LogGroup).describe('Most lines first; with time, in its order.'),
      found: z.int().describe('Groups there are.'),
      source: z
        .enum(['lines', 'counts'])
        .describe('What was counted: lines that are kept, or counts that were made of all lines.'),
      sampled: Sampled,
    }),
  },
  refuses: [400, 401, 503],
  async answer({ from, to, ...filters }, api) {
    return ok(await aggregateLogs(api.store, { from, to: to ?? nowOf(api) }, filters))
  },
})

const patterns = route({
  method: 'GET',
  url: '/v1/logs/patterns',
  summary: 'The log patterns with lines in a stretch of time, most lines first.',
  querystring: z.strictObject({
    ...times,
    ...place,
    text: z.string().min(1).optional().describe('Only with this in their text, whatever its case.'),
    cursor: Cursor.optional().describe('`next` of the answer before.'),
    limit,
  }),
  answers: { 200: z.strictObject({ patterns: z.array(LogPattern), next: z.string().nullable() }) },
  refuses: [400, 401, 503],
  async answer(asked, options) {
    const found = await ask(options.store, logPatterns, {
      ...{ ...asked, ...stretchOf(asked, options) },
      limit: asked.limit + 1,
    })
    const page = found.slice(0, asked.limit)
    const last = page.at(-1)
    return ok({ patterns: page, next: last && found.length > page.length ? cursorOf(last.count, last.pattern) : null })
  },
})

const anomalies = route({
  method: 'GET',
  url: '/v1/logs/anomalies',
  summary: 'Windows in which the lines of a pattern or a service were unusual, newest first.',
  querystring: z.strictObject({
    ...times,
    ...place,
    pattern: z.string().min(1).optional().describe('Only of this pattern.'),
    cursor: Cursor.optional().describe('`next` of the answer before.'),
    limit,
  }),
  answers: { 200: z.strictObject({ anomalies: z.array(LogAnomaly), next: z.string().nullable() }) },
  refuses: [400, 401, 503],
  async answer(asked, options) {
    return ok(await detectAnomalies({ ...asked, ...stretchOf(asked, options) }, options.store))
  },
})

const handed = route({
  method: 'POST',
  url: '/v1/logs/anomalies',
  summary: 'What is unusual about the lines that are handed in. Nothing of them is kept.',
  body: HandedLines,
  largest: 32 * 1024 * 1024,
  answers: { 200: DetectedAnomalies },
  refuses: [400, 401, 503],
  async answer(lines, { hooks }) {
    if (!hooks?.detect) throw new HttpError('OPS_UNAVAILABLE', 'no agent runs here; ask one that does')
    return ok(await detectAnomalies(lines, hooks.detect))
  },
})

export const logRoutes: readonly Route[] = [search, aggregate, patterns, anomalies, handed]
