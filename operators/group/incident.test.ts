import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IncidentSignal } from '../signal.ts'
import { titleOf } from './incident.ts'

const latency: IncidentSignal = {
  ...{
    signal: 's',
    service: 'payments',
    kind: 'metric',
    subject: 'http.latency_p95',
    labels: {},
    unit: 's',
    firing: true,
  },
  ...{ since: 0, lastAt: 0, lastAnomalousAt: 0, score: 2, peak: 2, value: 1.9, direction: 'above', why: '' },
}

test('a title says in plain words what is wrong where, and how it should be', () => {
  const expected = { yhat: 0.2, lower: 0.1, upper: 0.3 }
  assert.equal(titleOf({ ...latency, expected }, 0), 'payments: http latency p95 1.9 s (expected 0.1–0.3 s)')
  assert.equal(titleOf(latency, 1), 'payments: http latency p95 1.9 s and 1 more service')
  assert.equal(titleOf(latency, 3), 'payments: http latency p95 1.9 s and 3 more services')
})

test('a title tells the limit of a rule and the text of a pattern, shortened', () => {
  const rule = { name: 'r', threshold: 80, comparison: 'above' } as const
  const cpu = { ...latency, kind: 'rule', subject: 'cpu_usage', unit: '%', value: 93, rule } as const
  assert.equal(titleOf(cpu, 0), 'payments: cpu usage 93% (limit: above 80%)')
  const log = { ...latency, kind: 'log', direction: 'new', subject: `x${'y'.repeat(200)}` } as const
  const title = titleOf(log, 0)
  assert.match(title, /^payments: new log pattern "xy+…"$/)
  assert.ok(title.length < 120)
})
