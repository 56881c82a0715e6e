import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../pipelines/clock.ts'
import { Secrets } from '../secrets.ts'
import { LogAnalysisStep, logAnalysis, type SearchResult } from './log-analysis.ts'

const place = { environment: 'prod', service: 'shop' }

/** What the step makes of these lines. */
async function effectOf(expect: { atLeast?: number; atMost?: number }, found: SearchResult) {
  const action = logAnalysis(async () => found, new Secrets([]))
  const step = LogAnalysisStep.parse({ name: 'look', tool: 'log_analysis', query: 'level:error', expect })
  const context = { place, clock: systemClock, signal: AbortSignal.timeout(5_000) } as never
  return action.run(step, { before: null, desired: null }, context)
}

const lines = (count: number): SearchResult => ({ count, patterns: [], examples: [], anomalies: [] })
const sampled = (count: number): SearchResult => ({ ...lines(count), sampled: { lines: 1_000, kept: 100 } })

test('lines are counted against what is expected', async () => {
  assert.equal((await effectOf({ atMost: 5 }, lines(5))).succeeded, true)
  assert.equal((await effectOf({ atMost: 5 }, lines(6))).succeeded, false)
  assert.equal((await effectOf({ atLeast: 5 }, lines(5))).succeeded, true)
  assert.equal((await effectOf({ atLeast: 5 }, lines(4))).succeeded, false)
})

test('what sampling left out never makes a step succeed, and is told', async () => {
  const { succeeded, summary } = await effectOf({ atMost: 5 }, sampled(0))
  assert.equal(succeeded, false)
  assert.equal(summary, '0 lines, 0 patterns, in a sample of 100 of 1000 lines, expected at most 5')
  assert.equal((await effectOf({ atMost: 900 }, sampled(0))).succeeded, true)
  assert.equal((await effectOf({ atLeast: 5 }, sampled(4))).succeeded, false)
  assert.equal((await effectOf({ atLeast: 5 }, sampled(5))).succeeded, true)
})

test('what was unusual meanwhile is told beside what was found', async () => {
  const anomalies = [{ end: Date.UTC(2026, 10, 22, 10), subject: 'cannot reach <*>', why: '40 lines' }]
  const { summary, output } = await effectOf({}, { ...lines(40), anomalies })
  assert.match(summary, /^40 lines, 0 patterns, 1 anomalous window$/)
  assert.match(String(output), /unusual until 2026-11-22T10:00:00.000Z: cannot reach <\*>: 40 lines/)
})
