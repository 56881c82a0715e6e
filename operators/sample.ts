import { z } from 'zod'
import { identify } from './identity.ts'
import { type Drop, defineOperator, drop, type Event, type Origin, type Step } from './operator.ts'
import type { PatternedLine, Sampling } from './signal.ts'
import { Duration, type Window } from './window.ts'

/** How many there were in the window so far, and how many of them were kept. */
interface Share {
  lines: number
  kept: number
}

/** `errors`: those at error severity and above; `lines`: all others. Null before the first. */
export type SampleState = { of: Pick<Sampling, 'environment' | 'service'>; others: Share; errors: Share } | null

/** OpenTelemetry's number of the least error. */
const ERROR = 17

/**
 * Keeps the lines of a service whole as long as there are not too many of them, and of more a sample. Of a window, the
 * first lines are kept up to the budget, and after those the n-th with a chance of budget / n: at ten times the budget
 * three times the budget, at a hundred times six times. The chance is drawn by a hash of where the line entered, so
 * that whoever reads the same lines keeps the same. Lines at error severity and above have a larger budget of their
 * own. Run it behind a step that runs in order, keyed by service, in windows of `slot`; of a window in which lines
 * were left out it says how many.
 */
export const sample = defineOperator({
  name: 'sample',
  summary: 'Keeps all lines of a service, or a sample of them while there are too many.',
  config: z.strictObject({
    linesPerSecond: z
      .number()
      .gt(0)
      .default(500)
      .describe('Lines of a service that are all kept, a second on average over `slot`; of more, a sample is.'),
    errorsPerSecond: z
      .number()
      .gt(0)
      .default(2_500)
      .describe('The same for lines at error severity and above, which come on top.'),
    slot: Duration.default(10_000).describe('Event time over which lines are counted against what may be kept.'),
  }),
  drops: ['sampled'],
  examples: [
    {
      title: 'the third line is one too many, the error after it is not',
      config: { linesPerSecond: 2, errorsPerSecond: 2, slot: '1s' },
      window: { kind: 'tumbling', size: '1s' },
      given: [
        { key: 'prod/shop', time: 0, value: lineOf(9, 'one') },
        { key: 'prod/shop', time: 1, value: lineOf(9, 'two') },
        { key: 'prod/shop', time: 2, value: lineOf(9, 'three') },
        { key: 'prod/shop', time: 3, value: lineOf(17, 'four') },
      ],
      gives: [
        { type: 'line', body: 'one' },
        { type: 'line', body: 'two' },
        { type: 'line', body: 'four' },
        { type: 'sampling', start: 0, end: 1_000, lines: 3, kept: 2, errors: 1, errorsKept: 1 },
      ],
    },
  ],
  create: ({ linesPerSecond, errorsPerSecond, slot }) => ({
    init: (): SampleState => null,
    step(state: SampleState, { value, origin }: Event<PatternedLine>): Step<SampleState, PatternedLine | Sampling> {
      const { environment, service, severity } = value
      state ??= { of: { environment, service }, others: { lines: 0, kept: 0 }, errors: { lines: 0, kept: 0 } }
      const isError = severity >= ERROR
      const budget = ((isError ? errorsPerSecond : linesPerSecond) * slot) / 1_000
      return [state, keep(isError ? state.errors : state.others, budget, origin, value)]
    },
    close(state: SampleState, { start, end }: Window): Sampling[] {
      if (state === null) return []
      const { of, others, errors } = state
      if (others.kept === others.lines && errors.kept === errors.lines) return []
      const counts = { lines: others.lines, kept: others.kept, errors: errors.lines, errorsKept: errors.kept }
      return [{ type: 'sampling', ...of, start, end, ...counts }]
    },
  }),
})

function keep(share: Share, budget: number, origin: Origin, line: PatternedLine): (PatternedLine | Drop)[] {
  share.lines++
  if (share.lines > budget && chanceOf(origin) >= budget / share.lines) return [drop('sampled')]
  share.kept++
  return [line]
}

/** Below 1, evenly spread, the same for the same place. */
function chanceOf({ stream, offset, index }: Origin): number {
  return Number.parseInt(identify(stream, offset, index).slice(0, 8), 16) / 2 ** 32
}

function lineOf(severity: number, body: string): PatternedLine {
  return { type: 'line', environment: 'prod', service: 'shop', severity, body, attributes: {}, pattern: 'p1' }
}
