import { z } from 'zod'
import type { EventTime } from './operator.ts'
import { ServiceCatalogue } from './services.ts'
import type { Anomaly } from './signal.ts'

// What people tell a running system: the values of the topic `ops.controls`, by id. A control holds for the event times
// `[validFrom, validTo)`; it is never changed but to end it sooner, so that what held when can be told afterwards.

const stamp = {
  id: z.string().min(1),
  by: z.string().min(1).describe('Who said so.'),
  reason: z.string().describe('Why.'),
  at: z.number().describe('When it was said, in milliseconds since 1970 UTC.'),
  validFrom: z.number().describe('First moment it holds for, in milliseconds since 1970 UTC.'),
}
const end = z.number().describe('The moment it ends, in milliseconds since 1970 UTC.')
const validTo = end.nullable().describe('The moment it ends, in milliseconds since 1970 UTC; null: when it is removed.')

/** Anomalies that match open, reopen and grow no incident. What is left out matches all. */
export const Silence = z.object({
  type: z.literal('silence'),
  ...stamp,
  validTo: end,
  // An environment is what incidents are kept by; a silence of all would have to reach those nobody has heard of yet.
  environment: z.string().min(1),
  service: z.string().min(1).optional(),
  signal: z.string().min(1).optional().describe('Id of the series or pattern.'),
  subject: z.string().min(1).optional().describe('Name of the metric or text of the pattern; * stands for anything.'),
})
export type Silence = z.output<typeof Silence>

/** No action is begun in an environment, or on one service of it; without either, anywhere. */
export const Pause = z.object({
  type: z.literal('pause'),
  ...stamp,
  validTo,
  environment: z.string().min(1).optional(),
  service: z.string().min(1).optional(),
})
export type Pause = z.output<typeof Pause>

/** The modes a runbook may have, from the one that does least. */
export const modes = ['observe', 'suggest', 'approve', 'auto'] as const

/** A runbook may do no more than this, whatever its file and the configuration say. It never lets it do more. */
export const Trust = z.object({
  type: z.literal('trust'),
  ...stamp,
  validTo,
  runbook: z.string().min(1),
  environment: z.string().min(1).optional(),
  service: z.string().min(1).optional(),
  mode: z.enum(['observe', 'suggest', 'approve']),
})
export type Trust = z.output<typeof Trust>

/** The service catalogue, for processes that have no file of it. There is one, and the newest counts. */
export const Services = z.object({ type: z.literal('services'), ...stamp, validTo, catalogue: ServiceCatalogue })
export type Services = z.output<typeof Services>

/** Id of the one service catalogue. */
export const servicesId = 'services'

export const Control = z.discriminatedUnion('type', [Silence, Pause, Trust, Services])
export type Control = z.output<typeof Control>

/** An anomaly that a silence kept from the incidents. */
export interface Suppressed {
  readonly type: 'suppressed'
  readonly anomaly: Anomaly
  readonly silence: Silence
}

/** Whether a control holds at a moment. */
export const holds = ({ validFrom, validTo }: Pick<Control, 'validFrom' | 'validTo'>, time: EventTime): boolean =>
  validFrom <= time && (validTo === null || time < validTo)

/** Whether a silence is about an anomaly, its times aside. */
export function matches(silence: Silence, { environment, service, signal, subject }: Anomaly): boolean {
  return (
    silence.environment === environment &&
    (silence.service === undefined || silence.service === service) &&
    (silence.signal === undefined || silence.signal === signal) &&
    (silence.subject === undefined || fits(silence.subject, subject))
  )
}

/** Whether a pause or a trust is about a place. */
export function covers(
  scope: { environment?: string | undefined; service?: string | undefined },
  place: { environment: string; service: string },
): boolean {
  return (
    (scope.environment === undefined || scope.environment === place.environment) &&
    (scope.service === undefined || scope.service === place.service)
  )
}

/** Whether a text is as the pattern says, in which `*` stands for any text. Takes one pass, whatever the pattern. */
export function fits(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return text === pattern
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
