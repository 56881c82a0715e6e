import { z } from 'zod'
import type { Secrets } from '../secrets.ts'
import { type Action, type Effect, readPlan, stepFields, stepTimeout } from './action.ts'

export const LogAnalysisStep = z.strictObject({
  ...stepFields,
  tool: z.literal('log_analysis'),
  query: z
    .string()
    .min(1)
    .describe('For example level:error AND timestamp:last_5m. Without service: the service of the run.'),
  limit: z.int().min(1).max(100).default(10).describe('Most patterns, and most example lines, shown.'),
  timeout: stepTimeout('30s'),
  expect: z
    .strictObject({
      atLeast: z.int().nonnegative().optional().describe('Fewer lines than this fail the step.'),
      atMost: z.int().nonnegative().optional().describe('More lines than this fail the step.'),
    })
    .optional(),
})
export type LogAnalysisStep = z.output<typeof LogAnalysisStep>

/** From where and when a query is asked. The environment cannot be widened by the query. */
export interface SearchScope {
  readonly environment: string
  /** Applies unless the query names a service. */
  readonly service: string
  /** Milliseconds; `last_5m` ends here. */
  readonly at: number
  readonly limit: number
}

export interface SearchResult {
  readonly count: number
  /** Of so many lines only a sample was kept: there may have been more than `count` that match. */
  readonly sampled?: { readonly lines: number; readonly kept: number }
  readonly patterns: readonly { readonly template: string; readonly count: number }[]
  readonly examples: readonly { readonly time: number; readonly service: string; readonly body: string }[]
  /** What was unusual about lines of the service then, newest first. */
  readonly anomalies: readonly { readonly end: number; readonly subject: string; readonly why: string }[]
}

export type SearchLogs = (query: string, scope: SearchScope, signal: AbortSignal) => Promise<SearchResult>

/** Reads the log lines the pipelines have stored. Their text goes to people and to the journal, never into a command. */
export function logAnalysis(searchLogs: SearchLogs, secrets: Secrets): Action<LogAnalysisStep> {
  return {
    tool: 'log_analysis',
    summary: 'Counts log lines that match a query, and shows their patterns, examples, and what was unusual.',
    kind: () => 'read',
    repeatable: () => true,
    timeout: step => step.timeout,
    plan: async step => readPlan(`searches logs for ${step.query}`),
    async run(step, _plan, { place, clock, signal }) {
      const found = await searchLogs(step.query, { ...place, at: clock.now(), limit: step.limit }, signal)
      return effectOf(step, found, secrets)
    },
  }
}

function effectOf({ expect }: LogAnalysisStep, found: SearchResult, secrets: Secrets): Effect {
  const { count, patterns, examples, anomalies, sampled } = found
  // What was left out may have matched, or not: neither speaks for the step.
  const most = count + (sampled ? sampled.lines - sampled.kept : 0)
  const tooFew = expect?.atLeast !== undefined && count < expect.atLeast
  const tooMany = expect?.atMost !== undefined && most > expect.atMost
  const wanted = tooFew ? `, expected at least ${expect.atLeast}` : tooMany ? `, expected at most ${expect.atMost}` : ''
  const said = sampled ? `, in a sample of ${sampled.kept} of ${counted(sampled.lines, 'line')}` : ''
  const unusual = anomalies.length > 0 ? `, ${counted(anomalies.length, 'anomalous window')}` : ''
  const lines = [
    ...patterns.map(({ template, count }) => `${count} × ${template}`),
    ...examples.map(({ time, service, body }) => `${new Date(time).toISOString()} ${service} ${body}`),
    ...anomalies.map(({ end, subject, why }) => `unusual until ${new Date(end).toISOString()}: ${subject}: ${why}`),
  ]
  return {
    succeeded: !tooFew && !tooMany,
    changed: false,
    summary: `${counted(count, 'line')}, ${counted(patterns.length, 'pattern')}${unusual}${said}${wanted}`,
    output: secrets.bound(lines.join('\n'), 50_000),
    after: {
      count,
      patterns: patterns.length,
      anomalies: anomalies.length,
      ...(sampled ? { sampled: { ...sampled } } : {}),
    },
  }
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`
