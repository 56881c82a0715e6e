import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signalOf } from './instance.ts'
import { type ScoreState, score } from './score/score.ts'
import type { Anomaly, Summary } from './signal.ts'

const summary = (instance: string, mean: number, at: number): Summary => ({
  ...{ environment: 'prod', service: 'shop', metric: 'process.memory.usage', unit: 'By' },
  ...{ series: `series of ${instance}`, labels: { 'service.instance.id': instance, 'memory.type': 'rss' } },
  ...{ start: at * 60_000, end: (at + 1) * 60_000, count: 4, deviation: 0, p50: mean, p95: mean, last: mean },
  ...{ mean, min: mean, max: mean },
})

test('a series without instance labels is its own signal; the instances of a service are one', () => {
  assert.equal(signalOf({ ...summary('a', 1, 0), labels: { zone: 'x' } }), 'series of a')
  assert.equal(signalOf(summary('a', 1, 0)), signalOf(summary('b', 2, 5)))
  const other = { ...summary('a', 1, 0), labels: { 'service.instance.id': 'a', 'memory.type': 'heap' } }
  assert.notEqual(signalOf(other), signalOf(summary('a', 1, 0)))
})

test('a signal clears by what the instance reports that took the place of the one that raised it', () => {
  const { create } = score({ warmup: 10 })
  const logic = create()
  let state: ScoreState | undefined = logic.init('prod/shop')
  const told: Anomaly[] = []
  const observe = (value: Summary) => {
    const origin = { stream: value.series, offset: value.start, index: 0 }
    ;[state] = logic.step(state!, { key: 'prod/shop', time: value.end - 1, origin, value })
    const [next, outputs] = logic.wake!(state!, value.end, 'prod/shop')
    state = next
    told.push(...(outputs as Anomaly[]))
  }
  for (let at = 0; at < 20; at++) observe(summary('old', 100e6 + (at % 3) * 1e6, at))
  for (let at = 20; at < 24; at++) observe(summary('old', 300e6, at))
  for (let at = 24; at < 27; at++) observe(summary('new', 101e6, at))
  assert.ok(told.some(({ score }) => score >= 1))
  assert.equal(new Set(told.map(({ signal }) => signal)).size, 1)
  assert.ok(told.slice(-3).every(({ score, labels }) => score < 1 && labels['service.instance.id'] === 'new'))
})
