import type { EventTime } from '../operator.ts'
import { quantity, quantityRange } from '../quantity.ts'
import type { ServiceCatalogue } from '../services.ts'
import type { Incident, IncidentSignal, RunState, Severity } from '../signal.ts'
import type { Change, Life } from './life.ts'

/** Gives the incident its next version: what changed names it, and `now` is when. */
export function nextVersion(life: Life, change: Change, now: EventTime): Incident {
  life.version++
  life.updatedAt = Math.max(life.updatedAt, now)
  life.unwritten = null
  life.writeAt = null
  life.title = titleAfter(life, change)
  const { id, version, environment, severity, title, causes, runs, faultAt, detectedAt } = life
  const { identifiedAt, mitigatedAt, resolvedAt, closedAt, updatedAt } = life
  return {
    ...{ id, version, environment, state: stateOf(life), severity, title, change, services: servicesOf(life) },
    ...{ signals: signalsOf(life), causes: [...causes], runs: runs.map(run => ({ ...run })) },
    ...{ faultAt, detectedAt, identifiedAt, mitigatedAt, resolvedAt, closedAt, updatedAt },
    ...(life.absorbed.length === 0 ? {} : { absorbed: [...life.absorbed] }),
  }
}

/** The last version of an incident that became a part of another. */
export function lastVersion(life: Life, mergedInto: string, now: EventTime): Incident {
  return { ...nextVersion(life, 'merged', now), state: 'merged', mergedInto }
}

/** What is written above an incident is how it looked when it was bad, and not its last, normal value. */
function titleAfter(life: Life, change: Change): string {
  if (change === 'closed' && life.resolvedAt === null) return `${life.title} (closed without data)`
  if (!['opened', 'reopened', 'fired', 'grew', 'identified'].includes(change)) return life.title
  const firing = signalsOf(life).filter(signal => signal.firing)
  const cause = life.causes[0]
  const telling = firing.find(signal => signal.signal === cause?.signal && signal.service === cause.service)
  const shown = telling ?? (cause ? undefined : firing[0])
  return shown ? titleOf(shown, servicesOf(life).length - 1) : life.title
}

/** Names of services, sorted. */
export const servicesOf = (life: Life): string[] =>
  [...new Set(Object.values(life.signals).map(signal => signal.service))].sort()

function signalsOf(life: Life): IncidentSignal[] {
  return Object.entries(life.signals)
    .sort(([a, one], [b, two]) => one.since - two.since || (a < b ? -1 : 1))
    .map(([, { clearSince: _, clearWindows: __, flaps: ___, ...signal }]) => signal)
}

/** Where an incident stands follows from what happened to it; nothing sets it. */
function stateOf(life: Life): Incident['state'] {
  if (life.closedAt !== null) return 'closed'
  if (life.resolvedAt !== null) return 'resolved'
  if (life.mitigatedAt !== null) return 'monitoring'
  const inState = (...states: RunState[]) => life.runs.some(run => (states as string[]).includes(run.state))
  if (inState('running', 'in_doubt')) return 'remediating'
  if (inState('verifying')) return 'monitoring'
  return life.identifiedAt !== null ? 'identified' : 'detected'
}

const severities: readonly Severity[] = ['low', 'medium', 'high', 'critical']

/**
 * How bad it is: by the most important service (tier 1 high, 2 and 3 medium, 4 low), one step more if a signal is three
 * times beyond what is tolerated and one more if three services suffer. It never falls within an incident.
 */
export function severityOf(life: Life, catalogue: ServiceCatalogue): Severity {
  const services = servicesOf(life)
  const tier = Math.min(...services.map(service => catalogue.services[service]?.tier ?? 3))
  const base = tier === 1 ? 2 : tier === 4 ? 0 : 1
  const far = Object.values(life.signals).some(signal => signal.peak >= 3) ? 1 : 0
  const wide = services.length >= 3 ? 1 : 0
  const now = Math.min(severities.length - 1, base + far + wide)
  return severities[Math.max(now, severities.indexOf(life.severity))]!
}

const words = (name: string) => name.replaceAll(/[._]+/g, ' ')
const shorten = (text: string) => (text.length > 80 ? `${text.slice(0, 79)}…` : text)

/** `payments: http latency p95 1.9 s (expected 0.1–0.3 s) and 2 more services` */
export function titleOf(signal: IncidentSignal, others: number): string {
  const more = others === 0 ? '' : ` and ${others} more service${others === 1 ? '' : 's'}`
  return `${signal.service}: ${what(signal)}${more}`
}

function what(signal: IncidentSignal): string {
  const { value, unit, expected, rule } = signal
  const usual = expected ? ` (expected ${quantityRange(expected.lower, expected.upper, unit, value)})` : ''
  if (signal.kind === 'log')
    return signal.direction === 'new'
      ? `new log pattern "${shorten(signal.subject)}"`
      : `log pattern "${shorten(signal.subject)}" ${quantity(value, unit)}${usual}`
  const limit = rule ? ` (limit: ${rule.comparison} ${quantity(rule.threshold, unit)})` : usual
  return `${words(signal.subject)} ${quantity(value, unit)}${limit}`
}
