import { signalKey } from '../group/tracked.ts'
import type { EventTime } from '../operator.ts'
import type { Incident, IncidentSignal } from '../signal.ts'

/** What is remembered of an incident; JSON-safe. */
export interface Watch {
  /** Its newest version, without what is not needed here. */
  incident: Incident
  /** Since when each rule signal has been firing without a pause, by `signalKey`. */
  firing: Record<string, EventTime>
  /** Runs asked for so far, by `attemptKey`. */
  attempts: Record<string, number>
  /** Runbooks that did not help, by `attemptKey`: not asked for again until the incident reopens. */
  tried: string[]
  /** Targets on which nothing more may be done until the incident reopens. */
  stopped: string[]
  /** When a closed incident is forgotten. */
  forgetAt: EventTime | null
}

export const attemptKey = (runbook: string, target: string): string => `${runbook}\n${target}`

/** Whether a signal is known to be anomalous now. */
export const fires = (signal: IncidentSignal): boolean => signal.firing && signal.absent !== true

const over: readonly Incident['state'][] = ['resolved', 'closed', 'suppressed', 'merged', 'false_positive', 'cancelled']

/** Whether anything may be asked for on behalf of an incident. */
export const isActive = ({ incident }: Watch): boolean => !over.includes(incident.state)

/** An incident seen for the first time, or at its next version. */
export function watchNext(known: Watch | undefined, version: Incident, now: EventTime, remember: number): Watch {
  const watch = known ?? { incident: version, firing: {}, attempts: {}, tried: [], stopped: [], forgetAt: null }
  const before = new Set(known?.incident.signals.map(signalKey))
  const [cause] = version.causes
  watch.incident = { ...version, runs: [], causes: cause ? [{ ...cause, evidence: [] }] : [] }
  if (version.change === 'reopened') Object.assign(watch, { tried: [], stopped: [] })
  const firing: Watch['firing'] = {}
  for (const signal of version.signals) {
    if (signal.kind !== 'rule' || !fires(signal)) continue
    const key = signalKey(signal)
    firing[key] = watch.firing[key] ?? (before.has(key) ? now : signal.since)
  }
  watch.firing = firing
  watch.forgetAt = version.state === 'closed' || version.state === 'merged' ? now + remember : null
  return watch
}

/** What was tried for an incident counts for the one it became a part of. */
export function absorbWatch(watch: Watch, other: Watch): void {
  for (const [key, count] of Object.entries(other.attempts))
    watch.attempts[key] = Math.max(watch.attempts[key] ?? 0, count)
  watch.tried.push(...other.tried)
  watch.stopped.push(...other.stopped)
  for (const [key, since] of Object.entries(other.firing))
    if (watch.firing[key] !== undefined) watch.firing[key] = Math.min(watch.firing[key], since)
}
