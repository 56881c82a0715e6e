import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Drop } from '../operator.ts'
import { Anomaly, type Summary } from '../signal.ts'
import { seeded } from './forest.ts'
import { type ScoreState, score } from './score.ts'

const minute = 60_000
type Given = Partial<Summary> & { readonly mean: number }

/** Runs windows, each a list of summaries, as an ordered step would; `restart`: the state goes through JSON each time. */
function drive(windows: readonly (readonly Given[])[], config: Parameters<typeof score>[0] = {}, restart = false) {
  let logic = score(config).create()
  let state = logic.init('prod/shop') as ScoreState
  const told: Anomaly[] = []
  const drops: string[] = []
  const renew = (next: ScoreState): void => {
    state = restart ? (JSON.parse(JSON.stringify(next)) as ScoreState) : next
    if (restart) logic = score(config).create()
  }
  windows.forEach((window, at) => {
    const [start, end] = [at * minute, (at + 1) * minute]
    window.forEach((given, index) => {
      const { mean } = given
      const value: Summary = {
        ...{ environment: 'prod', service: 'shop', metric: 'm', series: 's1', unit: '', labels: {}, start, end },
        ...{ count: 4, deviation: 0, min: mean, max: mean, p50: mean, p95: mean, last: mean },
        ...given,
      }
      const event = { key: 'prod/shop', time: end - 1, origin: { stream: 's', offset: at, index }, value }
      const [next, outputs] = logic.step(state, event)
      for (const output of outputs) if (output instanceof Drop) drops.push(output.reason)
      renew(next as ScoreState)
    })
    if (logic.wakeAt!(state) !== end) return
    const [next, outputs] = logic.wake!(state, end, 'prod/shop')
    told.push(...(outputs as Anomaly[]))
    renew(next as ScoreState)
  })
  return { told, drops, state }
}

const noise = (seed: number, size: number, level = 100, width = 5): number[] => {
  const random = seeded(seed)
  return Array.from({ length: size }, () => level + width * (random() + random() + random() - 1.5))
}
const series = (values: readonly number[], of: Partial<Summary> = {}): Given[][] =>
  values.map(mean => [{ mean, ...of }])
const alarms = (told: readonly Anomaly[]): number[] =>
  told.filter(anomaly => anomaly.score >= 1).map(({ start }) => start / minute)

test('noise raises no alarm, whatever its level and seed', () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(0.01, 1, 100, 1e6), (seed, level) => {
      assert.deepEqual(alarms(drive(series(noise(seed, 150, level, level / 10))).told), [])
    }),
    { numRuns: 20 },
  )
})

test('a step is told within two windows, at what was expected, in the right direction', () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(0.3, 2), (seed, factor) => {
      const values = noise(seed, 60)
      values.fill(100 * factor, 45)
      const { told } = drive(series(values))
      const [first] = told
      assert.ok(alarms(told)[0] === 45 || alarms(told)[0] === 46)
      assert.ok(first!.score >= 1 && Math.abs(first!.expected!.yhat - 100) < 5)
      assert.equal(first!.direction, factor > 1 ? 'above' : 'below')
      for (const anomaly of told) Anomaly.parse(anomaly)
    }),
    { numRuns: 20 },
  )
})

test('one window out of line is told only if it is far out', () => {
  const values = noise(1, 40)
  assert.deepEqual(alarms(drive(series(values.with(30, 125))).told), [])
  assert.deepEqual(alarms(drive(series(values.with(30, 500))).told), [30])
})

test('a series known for short bursts has to stay out for longer', () => {
  const values = noise(2, 90)
  for (const at of [20, 35, 50]) values[at] = 500
  values.fill(500, 70, 80)
  assert.deepEqual(
    alarms(drive(series(values)).told).filter(at => at > 40),
    [73, 74, 75, 76, 77, 78, 79],
  )
})

test('changes too small for anybody are not told: of a constant, of a few percent, of a unit’s least', () => {
  assert.deepEqual(alarms(drive(series([...Array<number>(40).fill(50), ...Array<number>(10).fill(53)])).told), [])
  const small = [...Array<number>(40).fill(0.1), ...Array<number>(10).fill(0.4)]
  assert.deepEqual(alarms(drive(series(small, { unit: 'ms' })).told), [])
  assert.notDeepEqual(alarms(drive(series(small, { unit: 's' })).told), [])
})

test('latency that falls is no anomaly', () => {
  const values = [...noise(3, 40, 1, 0.05), ...noise(4, 10, 0.1, 0.005)]
  assert.deepEqual(alarms(drive(series(values, { metric: 'http.server.request.duration', unit: 's' })).told), [])
})

test('a slow climb is told before it has doubled the level', () => {
  const values = noise(5, 100, 100, 2)
  for (let at = 60; at < 100; at++) values[at]! += 2.5 * (at - 60)
  const [first] = alarms(drive(series(values)).told)
  assert.ok(first !== undefined && first < 85, String(first))
})

test('nothing is told during warm-up', () => {
  assert.deepEqual(drive(series([1, 1, 1, 1, 1, 900, 900, 1, 1]), { warmup: 10 }).told, [])
})

test('what has cleared is reported for `hot` windows, below 1; a series without points is not', () => {
  const values = [...noise(6, 40), 300, 300, 300, ...noise(7, 12)]
  const windows = series(values)
  windows[45] = []
  const { told } = drive(windows, { hot: 5 })
  const cleared = told.filter(({ score }) => score < 1).map(({ start }) => start / minute)
  assert.deepEqual(cleared, [43, 44, 46, 47, 48])
})

test('an outage stays one for `learnAfter` windows, and is the new normal after', () => {
  const values = [...noise(8, 40), ...noise(9, 100, 300)]
  const { told } = drive(series(values), { learnAfter: 50, hot: 0 })
  const found = alarms(told)
  assert.ok(found[0]! <= 41 && found.at(-1)! >= 88 && found.at(-1)! <= 92, `${found[0]}-${found.at(-1)}`)
})

const fleet = (seed: number, windows: number): Given[][] => {
  const levels = [1, 10, 100, 1000].map((level, at) => noise(seed + at, windows, level, level / 10))
  return Array.from({ length: windows }, (_, at) =>
    levels.map((values, of) => ({ mean: at > 80 && of < 3 ? values[at]! * 3 : values[at]!, series: `s${of}` })),
  )
}

test('a restart between any two events changes nothing, forests included', () => {
  const windows = fleet(10, 100)
  const config = { trees: 10 }
  const once = drive(windows, config)
  assert.ok(once.state.family.generation >= 2)
  assert.ok(once.told.some(({ voters, model }) => voters.some(({ name }) => name === 'forest') && /forest/.test(model)))
  assert.deepEqual(drive(windows, config, true).told, once.told)
})

test('the order of a window’s summaries does not matter', () => {
  const windows = fleet(20, 100)
  const reversed = windows.map(window => window.toReversed())
  assert.deepEqual(drive(reversed, { trees: 10 }).told, drive(windows, { trees: 10 }).told)
})

test('the state is bounded: series, rings, rows', () => {
  const many = Array.from({ length: 30 }, (_, of) => ({ mean: of, series: `s${of}` }))
  const { state, drops } = drive(Array<Given[]>(90).fill(many), { maxSeries: 20, memory: 20, trees: 2, sample: 64 })
  assert.equal(Object.keys(state.series).length, 20)
  assert.deepEqual([...new Set(drops)], ['too-many-series'])
  assert.ok(Object.values(state.series).every(({ ring, aside }) => ring.length <= 20 && aside.length <= 20))
  assert.ok(state.family.rows.length <= 64 && state.family.fresh.length <= 150)
})

test('the buckets of a Prometheus histogram are dropped, silent series forgotten', () => {
  const bucket = { mean: 1, metric: 'x_seconds_bucket', labels: { le: '0.1' } }
  assert.deepEqual(drive([[bucket]]).drops, ['bucket-of-a-histogram'])
  const windows = [[{ mean: 1, series: 'gone' }], ...series(noise(11, 90))]
  assert.deepEqual(Object.keys(drive(windows, { forget: '30m', trees: 2 }).state.series), ['s1'])
})
