import { z } from 'zod'
import { defineOperator, type Event, type Step } from './operator.ts'
import type { PatternCount, PatternedLine } from './signal.ts'
import type { Window } from './window.ts'

/** What is counted, and how many there were; null before the first. */
export type CountState = {
  of: Pick<PatternCount, 'environment' | 'service' | 'pattern' | 'severity'>
  count: number
} | null

/**
 * Counts the lines of one pattern in a window; its severity is the highest among them. Run it keyed by environment,
 * service and pattern (`countKey`); the order of arrival does not matter. A window without lines gives nothing.
 */
export const count = defineOperator({
  name: 'count',
  summary: 'Counts the lines of each log pattern in each window.',
  config: z.strictObject({}),
  examples: [
    {
      title: 'two lines of one pattern in a minute',
      config: {},
      window: { kind: 'tumbling', size: '1m' },
      given: [
        { key: 'prod/shop/p1', time: 1_000, value: lineOf(9) },
        { key: 'prod/shop/p1', time: 2_000, value: lineOf(17) },
        { key: 'prod/shop/p1', time: 61_000, value: lineOf(9) },
      ],
      gives: [
        { pattern: 'p1', severity: 17, start: 0, end: 60_000, count: 2 },
        { pattern: 'p1', severity: 9, start: 60_000, end: 120_000, count: 1 },
      ],
    },
  ],
  create: () => ({
    init: (): CountState => null,
    step(state: CountState, { value }: Event<PatternedLine>): Step<CountState, PatternCount> {
      const { environment, service, pattern, severity } = value
      if (state === null) return [{ of: { environment, service, pattern, severity }, count: 1 }, []]
      state.count++
      state.of.severity = Math.max(state.of.severity, severity)
      return [state, []]
    },
    close: (state: CountState, { start, end }: Window): PatternCount[] =>
      state === null ? [] : [{ ...state.of, start, end, count: state.count }],
  }),
})

/** The key to run `count` by. */
export const countKey = (line: Pick<PatternedLine, 'environment' | 'service' | 'pattern'>): string =>
  `${line.environment.replaceAll('/', '%2F')}/${line.service}/${line.pattern}`

function lineOf(severity: number): PatternedLine {
  const place = { environment: 'prod', service: 'shop' }
  return { type: 'line', ...place, severity, body: 'user anna logged in', attributes: {}, pattern: 'p1' }
}
