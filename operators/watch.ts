import { z } from 'zod'
import { type Canonical, type CanonicalSummary, canonical, toCanonical } from './aliases.ts'
import { identify } from './identity.ts'
import { lastingLabels } from './instance.ts'
import { defineOperator, type Event, type EventTime, type Step } from './operator.ts'
import { quantity } from './quantity.ts'
import { report, stillHot } from './score/report.ts'
import type { Anomaly, Summary } from './signal.ts'

const Rule = z.strictObject({
  name: z.string().min(1).describe('Name of the rule, as people shall read it.'),
  metric: z.string().min(1).describe('Canonical metric such as cpu_usage, or the name of a metric as it is sent.'),
  threshold: z.number().describe('Value from which it is a breach, in the unit of the canonical metric.'),
  comparison: z.enum(['above', 'below']).default('above').describe('Side of the threshold that is a breach.'),
  environment: z.string().optional().describe('Only this environment.'),
  service: z.string().optional().describe('Only this service.'),
})
export type WatchRule = z.output<typeof Rule>

const Config = z.strictObject({
  rules: z.array(Rule).default([]).describe('Static rules, each watching one metric.'),
  hot: z.int().min(0).default(30).describe('Windows that a signal is reported for after a breach.'),
})
type Config = z.output<typeof Config>

export interface WatchState {
  /** Summaries of the window under way that a rule watches. */
  pending: Summary[]
  /** Windows still to be reported, by signal. */
  hot: Record<string, number>
}

/**
 * Compares metrics with static thresholds, under their canonical names and units, so that one rule on `cpu_usage` holds
 * for every collector. What only splits one quantity up is put together first: a machine's processors, a process's time
 * in user and in system mode. A breach is told at once and for as long as it lasts, by the mean of the window; how long
 * it must last is for those to say who act on it. Run it in order, keyed by environment and service (`serviceKey`), on
 * summaries of one window size.
 */
export const watch = defineOperator({
  name: 'watch',
  summary: 'Tells when a metric breaches the threshold of a static rule.',
  config: Config,
  examples: [
    {
      title: 'a processor’s idle share, two of them, as cpu_usage',
      config: { rules: [{ name: 'busy', metric: 'cpu_usage', threshold: 80 }], hot: 1 },
      given: [0.1, 0.9, 0.9].flatMap((idle, at) =>
        ['0', '1'].map(cpu => ({
          key: 'prod/shop',
          time: at * 60_000 + 59_999,
          value: idleOf(cpu, idle, at * 60_000),
        })),
      ),
      gives: [
        { kind: 'rule', subject: 'cpu_usage', score: 1.125, value: 90, unit: '%', start: 0 },
        { kind: 'rule', subject: 'cpu_usage', score: 0.125, value: 10, start: 60_000 },
      ],
    },
  ],
  create: config => ({
    init: (): WatchState => ({ pending: [], hot: {} }),
    step(state: WatchState, { value }: Event<Summary>): Step<WatchState, Anomaly> {
      if (config.rules.some(rule => concerns(rule, value))) state.pending.push(value)
      return [state, []]
    },
    // In order of time they are in order of their ends.
    wakeAt: (state: WatchState): EventTime | undefined => state.pending[0]?.end,
    wake(state: WatchState, time: EventTime): Step<WatchState, Anomaly> {
      const window = state.pending.filter(({ end }) => end <= time).sort(bySeries)
      state.pending = state.pending.filter(({ end }) => end > time)
      return [state, config.rules.flatMap(rule => compare(config, state, rule, window))]
    },
  }),
})

const bySeries = (a: Summary, b: Summary): number =>
  a.series < b.series ? -1 : a.series > b.series ? 1 : a.end - b.end

function concerns({ metric, environment, service }: WatchRule, summary: Summary): boolean {
  if (environment !== undefined && environment !== summary.environment) return false
  if (service !== undefined && service !== summary.service) return false
  return viewOf(summary, metric) !== undefined
}

/** The summary under the rule's metric: by its canonical name, or as it was sent. */
function viewOf(summary: Summary, metric: string): CanonicalSummary | undefined {
  const view = toCanonical(summary, metric)
  if (view !== undefined || summary.metric !== metric) return view
  // Sent under a canonical name in a unit that is none of it, or as a part that must not count.
  if (canonical(metric, '') !== undefined) return undefined
  const { unit, labels, mean: value, min, max, p50, p95 } = summary
  const plain: Canonical = { name: metric, unit, scale: 1, offset: 0, fold: undefined, worse: 'both' }
  return { canonical: plain, value, min, max, p50, p95, labels }
}

interface Group {
  readonly first: Summary
  readonly view: CanonicalSummary
  sum: number
  parts: number
}

function compare(config: Config, state: WatchState, rule: WatchRule, window: readonly Summary[]): Anomaly[] {
  const groups = new Map<string, Group>()
  for (const summary of window) {
    const view = concerns(rule, summary) ? viewOf(summary, rule.metric) : undefined
    if (view === undefined) continue
    const labels = Object.entries(view.labels).sort(([a], [b]) => (a < b ? -1 : 1))
    const whole = identify(summary.metric, ...labels.flat())
    const group = groups.get(whole) ?? { first: summary, view, sum: 0, parts: 0 }
    group.sum += view.value
    group.parts++
    groups.set(whole, group)
  }
  return [...worstOfInstances(rule, groups.values())].flatMap(([signal, told]) => {
    const left = stillHot(state.hot[signal] ?? 0, told.score, config.hot)
    if (left === undefined || left === 0) delete state.hot[signal]
    else state.hot[signal] = left
    return left === undefined ? [] : [told]
  })
}

/** A signal is of all instances of a service, and its worst one speaks for it. */
function worstOfInstances(rule: WatchRule, groups: Iterable<Group>): Map<string, Anomaly> {
  const worst = new Map<string, Anomaly>()
  for (const group of groups) {
    const { first, view, sum, parts } = group
    const { environment, service, metric } = first
    // The metric is part of it: two collectors that measure one thing are two signals, and are never added up.
    const signal = identify('rule', rule.name, environment, service, metric, ...lastingLabels(view.labels).flat())
    const told = tell(rule, signal, group, view.canonical.fold?.by === 'mean' ? sum / parts : sum)
    const other = worst.get(signal)
    if (!other || told.score > other.score) worst.set(signal, told)
  }
  return worst
}

function tell(
  { name, metric, threshold, comparison }: WatchRule,
  signal: string,
  group: Group,
  value: number,
): Anomaly {
  const { first, view } = group
  const { environment, service, start, end } = first
  const { unit } = view.canonical
  const score = breach(value, threshold, comparison)
  const side = score >= 1 ? comparison : comparison === 'above' ? 'below' : 'above'
  const why = `${quantity(value, unit)}, ${side} ${quantity(threshold, unit)}`
  const subject = {
    environment,
    service,
    signal,
    kind: 'rule',
    subject: metric,
    labels: view.labels,
    unit,
    start,
    end,
  } as const
  const votes = [{ name, score, why }]
  return {
    ...report(subject, { score, value, direction: comparison, votes, why, model: 'rule-1' }),
    rule: { name, threshold, comparison },
  }
}

const most = 100

/** How far towards the threshold, or beyond it: 1 and above is a breach. */
export function breach(value: number, threshold: number, comparison: 'above' | 'below'): number {
  const breached = comparison === 'above' ? value >= threshold : value <= threshold
  const [part, whole] = comparison === 'above' ? [value, threshold] : [threshold, value]
  // A quotient says something of two positive numbers only.
  const quotient = part > 0 && whole > 0 ? part / whole : breached ? (value === threshold ? 1 : most) : 0
  return breached ? Math.min(most, Math.max(1, quotient)) : Math.min(0.999, quotient)
}

function idleOf(cpu: string, idle: number, start: number): Summary {
  const of = { environment: 'prod', service: 'shop', metric: 'node_cpu_seconds_total', series: cpu, unit: '1/s' }
  const window = { start, end: start + 60_000, count: 4, mean: idle, deviation: 0, min: idle, max: idle }
  return { ...of, labels: { mode: 'idle', cpu }, ...window, p50: idle, p95: idle, last: idle }
}
