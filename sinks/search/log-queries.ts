import { z } from 'zod'
import { Anomaly } from '../../operators/signal.ts'
import { query } from '../query.ts'
import { merges } from './merged-patterns.ts'

// The named reads of patterns and of what is unusual about them. A filter that is not given is bound as '' or 0 and then
// lets every row through.

const place = { environment: z.string().optional(), service: z.string().optional() }

export const LogPattern = z.strictObject({
  environment: z.string(),
  service: z.string(),
  pattern: z.string().describe('Id, stable while the text widens.'),
  template: z.string().describe('Variable places are <*>.'),
  example: z.string().describe('A line of it, secrets masked.'),
  severity: z.int(),
  firstSeen: z.number().describe('Milliseconds since 1970 UTC.'),
  lastSeen: z.number().describe('End of the last window with a line, in milliseconds since 1970 UTC.'),
  count: z.int().describe('Lines in the windows that begin within the time asked for, before any sampling.'),
})
export type LogPattern = z.output<typeof LogPattern>

export const logPatterns = query({
  name: 'log-patterns',
  summary: 'The log patterns with lines in a stretch of time, most lines first.',
  params: z.strictObject({
    ...place,
    text: z.string().optional(),
    from: z.number(),
    to: z.number(),
    cursor: z.object({ number: z.number(), id: z.string() }).optional(),
    limit: z.int(),
  }),
  row: LogPattern,
  sql: `
    SELECT environment, service, pattern, template, example, severity, toUnixTimestamp64Milli(first_seen) AS firstSeen,
           toUnixTimestamp64Milli(last_seen) AS lastSeen, lines AS count
    FROM (SELECT environment, service, if(merges.into = '', counts.id, merges.into) AS pattern, sum(counts.lines) AS lines,
                 max(counts.seen) AS last_seen
          FROM (SELECT environment, service, log_counts.pattern AS id, count AS lines, \`end\` AS seen
                FROM log_counts FINAL
                WHERE start >= fromUnixTimestamp64Milli({from:Int64}) AND start < fromUnixTimestamp64Milli({to:Int64})
                  AND ({environment:String} = '' OR environment = {environment:String})
                  AND ({service:String} = '' OR service = {service:String})) AS counts
          LEFT JOIN (${merges}) AS merges ON counts.id = merges.id
          GROUP BY environment, service, pattern) AS counted
    INNER JOIN (SELECT environment, service, pattern, template, example, severity, first_seen
                FROM log_patterns FINAL) AS texts USING (environment, service, pattern)
    WHERE ({text:String} = '' OR positionCaseInsensitiveUTF8(template, {text:String}) > 0)
      AND ({before:Int64} < 0 OR lines < {before:Int64} OR (lines = {before:Int64} AND pattern > {beforeId:String}))
    ORDER BY lines DESC, pattern
    LIMIT {limit:UInt32}`,
  bind: ({ environment = '', service = '', text = '', from, to, cursor, limit }) => ({
    ...{ environment, service, text, from, to, limit },
    before: cursor?.number ?? -1,
    beforeId: cursor?.id ?? '',
  }),
})

/** What is unusual about the lines of a pattern in a window, with a line of it. */
export const LogAnomaly = Anomaly.extend({
  example: z.string().describe('A line of its pattern, secrets masked; empty: it is about no single pattern.'),
})
export type LogAnomaly = z.output<typeof LogAnomaly>

export const logAnomalies = query({
  name: 'log-anomalies',
  summary: 'Windows in which the lines of a pattern or a service were unusual, newest first.',
  params: z.strictObject({
    ...place,
    pattern: z.string().optional(),
    from: z.number(),
    to: z.number(),
    cursor: z.object({ number: z.number(), id: z.string() }).optional(),
    limit: z.int(),
  }),
  row: z.object({ body: z.string(), example: z.string() }).transform(({ body, example }, context): LogAnomaly => {
    const parsed = LogAnomaly.safeParse({ ...JSON.parse(body), example })
    if (parsed.success) return parsed.data
    context.addIssue({ code: 'custom', path: ['body'], message: z.prettifyError(parsed.error) })
    return z.NEVER
  }),
  sql: `
    SELECT body, example
    FROM (SELECT environment, id, service, signal, \`end\` AS until, body FROM anomalies FINAL
          WHERE kind = 'log' AND score >= 1
            AND anomalies.\`end\` > fromUnixTimestamp64Milli({from:Int64}) AND start < fromUnixTimestamp64Milli({to:Int64})
            AND ({environment:String} = '' OR environment = {environment:String})
            AND ({service:String} = '' OR service = {service:String})
            AND ({pattern:String} = '' OR signal = {pattern:String})
            AND ({before:Int64} < 0 OR anomalies.\`end\` < fromUnixTimestamp64Milli({before:Int64})
              OR (anomalies.\`end\` = fromUnixTimestamp64Milli({before:Int64}) AND id < {beforeId:String}))
          ORDER BY until DESC, id DESC
          LIMIT {limit:UInt32}) AS found
    LEFT JOIN (SELECT environment, service, pattern AS signal, example FROM log_patterns FINAL) AS texts
      USING (environment, service, signal)
    ORDER BY until DESC, id DESC`,
  bind: ({ environment = '', service = '', pattern = '', from, to, cursor, limit }) => ({
    ...{ environment, service, pattern, from, to, limit },
    before: cursor?.number ?? -1,
    beforeId: cursor?.id ?? '',
  }),
})

/** Every query, for the test that asks each of real tables. */
export const logQueries = [logPatterns, logAnomalies] as const
