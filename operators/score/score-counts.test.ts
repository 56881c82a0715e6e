import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Anomaly, type Pattern, type PatternCount } from '../signal.ts'
import { type ScoreCountsState, scoreCounts } from './score-counts.ts'

const minute = 60_000
const place = { environment: 'prod', service: 'shop' }
type Window = Readonly<Record<string, number>>

/** Patterns beginning with `e` are errors. Each is told when it first occurs; `merged`: with which window one ends in which. */
function drive(
  windows: readonly Window[],
  config: Parameters<typeof scoreCounts>[0] = {},
  restart = false,
  merged: Readonly<Record<number, readonly [string, string]>> = {},
) {
  let logic = scoreCounts(config).create()
  let state = logic.init('prod/shop') as ScoreCountsState
  const told: Anomaly[] = []
  const known = new Set<string>()
  const take = (time: number, value: Pattern | PatternCount): void => {
    const origin = { stream: 's', offset: time, index: 0 }
    state = logic.step(state, { key: 'prod/shop', time, origin, value })[0] as ScoreCountsState
    if (!restart) return
    state = JSON.parse(JSON.stringify(state)) as ScoreCountsState
    logic = scoreCounts(config).create()
  }
  windows.forEach((window, at) => {
    const [start, end] = [at * minute, (at + 1) * minute]
    const severityOf = (pattern: string): number => (pattern.startsWith('e') ? 17 : 9)
    for (const pattern of Object.keys(window)) {
      const text = { template: `text ${pattern}`, example: '' }
      const born = { version: 1, severity: severityOf(pattern), firstSeen: start + 5, ...text }
      if (!known.has(pattern)) take(start + 5, { type: 'pattern', ...place, pattern, ...born })
      known.add(pattern)
    }
    const [from, into] = merged[at] ?? []
    const ended = { version: 2, severity: 9, firstSeen: 5, template: 'text', example: '' }
    if (from !== undefined) take(start + 5, { type: 'pattern', ...place, pattern: from, into, ...ended })
    for (const [pattern, count] of Object.entries(window))
      take(end - 1, { ...place, pattern, severity: severityOf(pattern), start, end, count })
    if (logic.wakeAt!(state) !== end) return
    const [next, outputs] = logic.wake!(state, end, 'prod/shop')
    state = next as ScoreCountsState
    told.push(...(outputs as Anomaly[]))
  })
  return { told, state }
}

const alarms = (told: readonly Anomaly[]) =>
  told.filter(({ score }) => score >= 1).map(({ subject, start }) => `${subject} ${start / minute}`)
const calm = (size: number): Window[] => Array.from({ length: size }, (_, at) => ({ p: 40 + (at % 7) }))

test('a new error is told in its first window, with the pattern’s text', () => {
  const { told } = drive([...calm(20), { p: 41, e1: 2 }, ...calm(3)])
  const [first] = told
  assert.deepEqual(alarms(told), ['text e1 20'])
  assert.deepEqual([first!.kind, first!.direction, first!.signal, first!.value], ['log', 'new', 'e1', 2])
  for (const anomaly of told) Anomaly.parse(anomaly)
})

test('a new pattern below error level is not told, nor is any while the service is new', () => {
  assert.deepEqual(drive([...calm(20), { p: 41, q: 2 }]).told, [])
  assert.deepEqual(drive([...calm(5), { p: 41, e1: 2 }]).told, [])
})

test('an error that was seen before is told only when there are many of them', () => {
  const seldom: Window[] = Array.from({ length: 40 }, (_, at) => (at % 10 === 3 ? { p: 40, e1: 2 } : { p: 40 }))
  const { told } = drive([...seldom, { p: 40, e1: 200 }, { p: 40, e1: 200 }], { newAfter: '1d' })
  assert.deepEqual([...new Set(alarms(told).map(text => text.replace(/ \d+$/, '')))].sort(), [
    'lines at error level',
    'text e1',
  ])
})

test('a burst of other lines is told, ordinary scatter is not', () => {
  const burst = { p: 900 }
  assert.deepEqual(alarms(drive([...calm(30), burst, burst, ...calm(3)]).told).length > 0, true)
  const scatter = fc.array(fc.integer({ min: 20, max: 60 }), { minLength: 60, maxLength: 60 })
  fc.assert(
    fc.property(scatter, counts => assert.deepEqual(alarms(drive(counts.map(count => ({ p: count }))).told), [])),
    { numRuns: 20 },
  )
})

test('a window with other lines counts as 0, one without any says nothing', () => {
  const { told } = drive([...calm(20), { p: 41, e1: 9 }, { p: 40 }, {}, {}, { p: 40 }], { hot: 10 })
  const ofError = told.filter(({ signal }) => signal === 'e1').map(({ start, value }) => [start / minute, value])
  assert.deepEqual(ofError, [
    [20, 9],
    [21, 0],
    [24, 0],
  ])
})

test('a restart between any two events changes nothing', () => {
  const name = fc.constantFrom('p', 'q', 'e1', 'e2')
  const windows = fc.array(fc.dictionary(name, fc.integer({ min: 1, max: 300 })), { maxLength: 40 })
  fc.assert(
    fc.property(windows, given => {
      const config = { warmup: 5, newAfter: '3m', hot: 3 }
      assert.deepEqual(drive(given, config, true).told, drive(given, config).told)
    }),
    { numRuns: 50 },
  )
})

test('the patterns kept are bounded, and forgotten when they stay away', () => {
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`p${at}`, 1]))
  assert.equal(Object.keys(drive([many], { maxPatterns: 20 }).state.patterns).length, 20)
  assert.deepEqual(Object.keys(drive([{ q: 1 }, ...calm(40)], { forget: '30m' }).state.patterns), ['p'])
})

test('what a pattern took over from a merged one is usual for it, no burst', () => {
  const usual: Window[] = Array.from({ length: 20 }, (_, at) => ({ p: 40 + (at % 7), q: 200 + (at % 7) }))
  const after: Window[] = Array.from({ length: 3 }, () => ({ p: 245 }))
  assert.deepEqual(alarms(drive([...usual, ...after], {}, false, { 20: ['q', 'p'] }).told), [])
  assert.deepEqual(alarms(drive([...usual, ...after]).told), ['text p 20', 'text p 21', 'text p 22'])
})
