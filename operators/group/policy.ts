import { z } from 'zod'
import { ServiceCatalogue } from '../services.ts'
import { Duration } from '../window.ts'

const time = (standard: string, what: string) => Duration.prefault(standard).describe(what)
const derived = (what: string) => Duration.optional().describe(what)

/** Configuration of `group`. Durations without a fixed default follow the others, so that scaling those scales all. */
export const GroupConfig = z
  .strictObject({
    catalogue: ServiceCatalogue.prefault({}).describe('Which services there are, their tiers and who calls whom.'),
    minScore: z.number().min(1).default(1).describe('Least score that opens an incident; 1 is the line.'),
    confirmWindows: z
      .int()
      .min(1)
      .default(1)
      .describe('How many anomalous windows of a signal open an incident; static rules open at once.'),
    gap: time('10m', 'Longest quiet between two anomalies of one incident.'),
    settle: time('30s', 'How long an incident gathers signals before its cause is named.'),
    sure: z
      .number()
      .min(0)
      .max(1)
      .default(0.9)
      .describe('A cause of this confidence among several services is named without waiting so long.'),
    clearWindows: z
      .int()
      .min(1)
      .default(2)
      .describe(
        'How many normal windows in a row make a signal clear. A series that dies can end in one window that only looks normal; it cannot end in two.',
      ),
    resolveAfter: time('5m', 'How long all signals must stay clear before an incident is resolved.'),
    reopenWindow: time('30m', 'How long after the end of an incident a returning signal reopens it.'),
    absentAfter: derived('Silence after which nothing can be said of a signal. Default: twice resolveAfter.'),
    quietAfter: derived(
      'A new log pattern is clear when unseen for this long while its service is heard of. Default: resolveAfter.',
    ),
    changeLookback: derived(
      'How long before the first sign a deploy or another change is suspected. Default: reopenWindow.',
    ),
    onsetTolerance: derived('How far first signs may be apart and count as simultaneous. Default: twice settle.'),
    maxIncidents: z.int().min(1).default(500).describe('Incidents of an environment kept; the quietest gives way.'),
    maxSignals: z.int().min(1).default(200).describe('Signals of an incident; more are dropped and counted.'),
  })
  .describe('Every duration is of event time.')
export type GroupConfig = z.output<typeof GroupConfig>

/** The configuration with every duration decided. */
export type Policy = GroupConfig & Record<'absentAfter' | 'quietAfter' | 'changeLookback' | 'onsetTolerance', number>

export function policyOf(config: GroupConfig): Policy {
  return {
    ...config,
    absentAfter: config.absentAfter ?? 2 * config.resolveAfter,
    quietAfter: config.quietAfter ?? config.resolveAfter,
    changeLookback: config.changeLookback ?? config.reopenWindow,
    onsetTolerance: config.onsetTolerance ?? 2 * config.settle,
  }
}
