import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Anomaly, type Summary } from './signal.ts'
import { breach, type WatchState, watch } from './watch.ts'

const minute = 60_000
type Given = Partial<Summary> & { readonly mean: number }

function drive(config: Parameters<typeof watch>[0], windows: readonly (readonly Given[])[]): Anomaly[] {
  const logic = watch(config).create()
  let state = logic.init('prod/shop') as WatchState
  return windows.flatMap((window, at) => {
    const [start, end] = [at * minute, (at + 1) * minute]
    window.forEach((given, index) => {
      const { mean } = given
      const value: Summary = {
        ...{ environment: 'prod', service: 'shop', metric: 'cpu_usage', series: `s${index}`, unit: '%', labels: {} },
        ...{ start, end, count: 4, deviation: 0, min: mean, max: mean, p50: mean, p95: mean, last: mean, ...given },
      }
      const event = { key: 'prod/shop', time: end - 1, origin: { stream: 's', offset: at, index }, value }
      state = JSON.parse(JSON.stringify(logic.step(state, event)[0])) as WatchState
    })
    if (logic.wakeAt!(state) !== end) return []
    const [next, outputs] = logic.wake!(state, end, 'prod/shop')
    state = next as WatchState
    return outputs as Anomaly[]
  })
}

const cpu = { name: 'cpu', metric: 'cpu_usage', threshold: 80 }
const one = (mean: number, of: Partial<Summary> = {}): Given[] => [{ mean, ...of }]

test('a breach is told at once, then until it has been clear for `hot` windows', () => {
  const told = drive({ rules: [cpu], hot: 2 }, [one(50), one(92), one(10), one(10), one(10)])
  assert.deepEqual(
    told.map(({ start, score }) => [start / minute, score]),
    [
      [1, 1.15],
      [2, 0.125],
      [3, 0.125],
    ],
  )
  const { rule, kind, why, direction } = Anomaly.parse(told[0])
  assert.deepEqual([rule, kind, direction], [{ name: 'cpu', threshold: 80, comparison: 'above' }, 'rule', 'above'])
  assert.equal(why, '92%, above 80%')
  assert.equal(new Set(told.map(({ signal }) => signal)).size, 1)
})

test('the same rule holds for what a collector sends, unit and name converted', () => {
  const [told] = drive({ rules: [cpu] }, [one(0.95, { metric: 'process.cpu.utilization', unit: '1' })])
  assert.deepEqual([told!.value, told!.unit, told!.subject], [95, '%', 'cpu_usage'])
})

test('processors of one host are averaged, hosts are apart, states of a process are added up', () => {
  const node = (cpu: string, host: string, mean: number): Given => ({
    ...{ mean, metric: 'node_cpu_seconds_total', unit: '1/s', labels: { mode: 'idle', cpu, host } },
  })
  const hosts = drive({ rules: [cpu] }, [[node('0', 'a', 0), node('1', 'a', 0.3), node('0', 'b', 0.9)]])
  assert.deepEqual(
    hosts.map(({ labels, value }) => [labels, value]),
    [[{ host: 'a' }, 85]],
  )
  const state = (state: string, mean: number): Given => ({
    ...{ mean, metric: 'process.cpu.utilization', unit: '1', labels: { state } },
  })
  assert.equal(drive({ rules: [cpu] }, [[state('user', 0.5), state('system', 0.4)]])[0]!.value, 90)
})

test('two metrics that measure one thing are two signals', () => {
  const told = drive({ rules: [cpu] }, [[{ mean: 85 }, { mean: 0.9, metric: 'process.cpu.utilization', unit: '1' }]])
  assert.deepEqual(told.map(({ value }) => value).sort(), [85, 90])
  assert.equal(new Set(told.map(({ id }) => id)).size, 2)
})

test('a rule may name a metric without a canonical name, an environment and a service', () => {
  const orders = { name: 'no orders', metric: 'orders', threshold: 5, comparison: 'below' as const }
  const given = [one(2, { metric: 'orders', unit: '1/s' })]
  assert.equal(drive({ rules: [orders] }, given)[0]!.score, 2.5)
  assert.deepEqual(drive({ rules: [{ ...orders, environment: 'staging' }] }, given), [])
  assert.deepEqual(drive({ rules: [{ ...orders, service: 'other' }] }, given), [])
  assert.equal(drive({ rules: [{ ...orders, environment: 'prod', service: 'shop' }] }, given).length, 1)
})

test('a score is at least 1 exactly when the threshold is reached, and always a number', () => {
  const value = fc.oneof(fc.constant(0), fc.double({ min: -1e12, max: 1e12, noNaN: true }))
  fc.assert(
    fc.property(value, value, (given, threshold) => {
      for (const comparison of ['above', 'below'] as const) {
        const score = breach(given, threshold, comparison)
        assert.equal(score >= 1, comparison === 'above' ? given >= threshold : given <= threshold)
        assert.ok(score >= 0 && score <= 100)
      }
    }),
  )
})
