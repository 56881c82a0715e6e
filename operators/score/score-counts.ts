import { z } from 'zod'
import { identify } from '../identity.ts'
import { defineOperator, drop, type Event, type EventTime, type Step } from '../operator.ts'
import type { Anomaly, Pattern, PatternCount } from '../signal.ts'
import { Duration, duration } from '../window.ts'
import { type Assessment, assess, type BaselineState, learn, line, newBaseline, type Observation } from './baseline.ts'
import { report, type Subject, stillHot } from './report.ts'
import { confirm, type Vote } from './verdict.ts'

interface CountedState extends BaselineState {
  hot: number
  /** End of the newest window with a line. */
  seen: EventTime
  /** Windows for which it still counts as new, if it came as a new error. */
  fresh: number
  template: string
  severity: number
}

export interface ScoreCountsState {
  /** Counts of the window under way. */
  pending: PatternCount[]
  patterns: Record<string, CountedState>
  /** Lines at error level, of all patterns together. */
  errors: CountedState
  /** Event time of the service's first line; null before it. */
  since: EventTime | null
  /** Windows with a line, up to `memory`. */
  windows: number
}

const errorSeverity = 17

const Config = z.strictObject({
  memory: z.int().min(20).default(60).describe('Normal windows of a pattern that its baseline remembers.'),
  warmup: z.int().min(5).default(15).describe('Windows of a service with lines before the first score of a burst.'),
  newAfter: Duration.default(600_000).describe(
    'Event time since the first line of a service before which no pattern counts as new.',
  ),
  fresh: z.int().min(1).default(10).describe('Windows in which a new error pattern is anomalous whenever it occurs.'),
  learnAfter: z
    .int()
    .min(10)
    .default(120)
    .describe('Anomalous windows on end after which a burst is the normal level.'),
  hot: z.int().min(0).default(30).describe('Windows that a signal is reported for after it was anomalous.'),
  minErrors: z
    .int()
    .min(1)
    .default(5)
    .describe('Lines in a window below which a burst at error level is of no interest.'),
  minLines: z
    .int()
    .min(1)
    .default(20)
    .describe('Lines in a window below which a burst of other lines is of no interest.'),
  maxPatterns: z
    .int()
    .min(1)
    .default(2_000)
    .describe('Patterns of one service; new ones over it are counted as errors only.'),
  forget: Duration.default(86_400_000).describe('Event time after which a pattern without lines is forgotten.'),
})
type Config = z.output<typeof Config>

const model = 'counts-1'

/**
 * Scores how often each log pattern of a service occurs, how many lines at error level there are in all, and what is
 * new: an error whose pattern was never seen before. Give it the patterns and their counts. A window in which the
 * service has lines and a pattern has none counts as 0 for it; a window without any line says nothing, for a service
 * that is silent is not thereby well. Only more than usual is told; less is not. Run it in order, keyed by environment
 * and service (`serviceKey`), on counts of one window size.
 */
export const scoreCounts = defineOperator({
  name: 'scoreCounts',
  summary: 'Scores the bursts and the new errors among the log patterns of a service.',
  config: Config,
  drops: ['too-many-patterns'],
  examples: [
    {
      title: 'an error pattern that was never seen is told, and reported until it has been clear for `hot` windows',
      config: { newAfter: '2m', hot: 1 },
      given: [
        { key: 'prod/shop', time: 0, value: patternOf('p1', 9, 0) },
        ...[0, 1, 2].map(at => ({ key: 'prod/shop', time: at * 60_000 + 59_999, value: countOf('p1', 9, at) })),
        { key: 'prod/shop', time: 190_000, value: patternOf('p2', 17, 190_000) },
        { key: 'prod/shop', time: 239_999, value: countOf('p2', 17, 3) },
        ...[4, 5].map(at => ({ key: 'prod/shop', time: at * 60_000 + 59_999, value: countOf('p1', 9, at) })),
      ],
      gives: [
        { kind: 'log', signal: 'p2', subject: 'words of p2', direction: 'new', start: 180_000, value: 3 },
        { kind: 'log', signal: 'p2', subject: 'words of p2', start: 240_000, value: 0, score: 0 },
      ],
    },
  ],
  create: config => ({
    init: (): ScoreCountsState => ({
      pending: [],
      patterns: {},
      errors: { ...newCounted(0), template: 'lines at error level', severity: errorSeverity },
      since: null,
      windows: 0,
    }),
    step(state: ScoreCountsState, { time, value }: Event<Pattern | PatternCount>): Step<ScoreCountsState, Anomaly> {
      state.since ??= time
      if ('count' in value) state.pending.push(value)
      else return [state, meet(config, state, state.since, value) ? [] : [drop('too-many-patterns')]]
      return [state, []]
    },
    // In order of time they are in order of their ends.
    wakeAt: (state: ScoreCountsState): EventTime | undefined => state.pending[0]?.end,
    wake(state: ScoreCountsState, time: EventTime): Step<ScoreCountsState, Anomaly> {
      const counts = state.pending.filter(({ end }) => end <= time)
      state.pending = state.pending.filter(({ end }) => end > time)
      return [state, scoreWindow(config, state, counts)]
    },
  }),
})

const newCounted = (seen: EventTime): CountedState => ({
  ...newBaseline(),
  ...{ hot: 0, seen, fresh: 0, template: '', severity: 0 },
})

/** Takes note of a pattern; false if there are too many. */
function meet(config: Config, state: ScoreCountsState, since: EventTime, pattern: Pattern): boolean {
  const known = state.patterns[pattern.pattern]
  if (known !== undefined) {
    known.template = pattern.template
    if (pattern.into !== undefined) bequeath(known, state.patterns[pattern.into])
    return true
  }
  if (pattern.into !== undefined) return true
  if (Object.keys(state.patterns).length >= config.maxPatterns) return false
  const isNews = pattern.severity >= errorSeverity && pattern.firstSeen - since >= config.newAfter
  // In the windows before it was born it had no lines: it bursts in from 0.
  const ring = new Array<number>(state.windows).fill(0)
  const { template, severity, firstSeen } = pattern
  const born = { ...newCounted(firstSeen), ring, template, severity, fresh: isNews ? config.fresh : 0 }
  state.patterns[pattern.pattern] = born
  return true
}

/** From now on the lines of a merged pattern come under the other's name: so many more are usual there. */
function bequeath(merged: CountedState, into: CountedState | undefined): void {
  if (into === undefined) return
  const { ring } = merged
  into.ring = into.ring.map((count, at) => count + (ring[ring.length - into.ring.length + at] ?? 0))
  merged.ring = ring.map(() => 0)
}

function scoreWindow(config: Config, state: ScoreCountsState, counts: readonly PatternCount[]): Anomaly[] {
  const [{ environment, service, start, end }] = counts as readonly [PatternCount]
  const place = { environment, service, kind: 'log', labels: {}, unit: '{line}', start, end } as const
  const byPattern = new Map(counts.map(count => [count.pattern, count]))
  const anomalies: Anomaly[] = []
  const tell = (signal: string, counted: CountedState, count: number): void => {
    const subject = { ...place, signal, subject: counted.template || signal }
    anomalies.push(...scoreCount(config, counted, subject, count))
  }
  for (const [pattern, counted] of Object.entries(state.patterns).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const found = byPattern.get(pattern)
    if (found !== undefined) {
      counted.seen = end
      counted.severity = Math.max(counted.severity, found.severity)
    } else if (end - counted.seen > config.forget) {
      delete state.patterns[pattern]
      continue
    }
    tell(pattern, counted, found?.count ?? 0)
  }
  const errors = counts.filter(({ severity }) => severity >= errorSeverity).reduce((sum, { count }) => sum + count, 0)
  tell(identify(environment, service, 'lines at error level'), state.errors, errors)
  state.windows = Math.min(config.memory, state.windows + 1)
  return anomalies
}

function scoreCount(config: Config, counted: CountedState, subject: Subject, count: number): Anomaly[] {
  const observation: Observation = { level: count, spread: undefined, floor: usualCount }
  const assessment = assess(counted, observation, config.warmup)
  const burst = confirm(counted, burstScore(config, counted, assessment, count))
  const news = counted.fresh > 0 && count > 0 ? 1 + Math.min(1, Math.log10(count) / 2) : 0
  const score = Math.max(burst, news)
  learn(counted, observation, assessment, score >= 1, config)
  if (counted.fresh > 0) counted.fresh--
  const hot = stillHot(counted.hot, score, config.hot)
  counted.hot = hot ?? 0
  if (hot === undefined) return []
  const { yhat, upper } = assessment.expected
  const usual = assessment.ready ? `${lines(count)} where at most ${Math.floor(upper)} are usual` : lines(count)
  const votes: Vote[] = [{ name: 'baseline', score: burst, why: usual }]
  const isNew = `an error never seen in ${duration(config.newAfter)} and more`
  if (news > 0) votes.push({ name: 'novelty', score: news, why: isNew })
  const direction = news > 0 ? 'new' : 'above'
  const why = news > 0 ? `${isNew}, ${lines(count)}` : usual
  const expected = assessment.ready ? { expected: { yhat, lower: 0, upper } } : {}
  return [report(subject, { score, value: count, ...expected, direction, votes, why, model })]
}

const lines = (count: number): string => (count === 1 ? '1 line' : `${count} lines`)

/** A burst is more than usual, and enough to matter. */
function burstScore(config: Config, { severity }: CountedState, { distance }: Assessment, count: number): number {
  const least = severity >= errorSeverity ? config.minErrors : config.minLines
  return (Math.max(0, distance) / line) * Math.min(1, count / least)
}

/** Counts scatter by the square root of their mean (Poisson), and services are busier than that. */
const usualCount = (median: number): number => Math.max(1, 0.03 * median, Math.sqrt(Math.max(0, median)))

function patternOf(pattern: string, severity: number, firstSeen: number): Pattern {
  const words = { template: `words of ${pattern}`, example: `words of ${pattern}` }
  return { type: 'pattern', environment: 'prod', service: 'shop', pattern, version: 1, severity, firstSeen, ...words }
}

function countOf(pattern: string, severity: number, minute: number): PatternCount {
  const window = { start: minute * 60_000, end: (minute + 1) * 60_000 }
  return { environment: 'prod', service: 'shop', pattern, severity, ...window, count: 3 }
}
