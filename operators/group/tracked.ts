import type { EventTime } from '../operator.ts'
import type { Anomaly, IncidentSignal } from '../signal.ts'
import type { Policy } from './policy.ts'

/** A signal of an incident with what decides whether it is clear. */
export interface Tracked extends IncidentSignal {
  /** End of the first of the normal windows it is in, or null. */
  clearSince: EventTime | null
  /** Normal windows in a row. */
  clearWindows: number
  /** How often it fired again after it was clear. */
  flaps: number
}

/** Names a signal within an environment: a series and the rules that watch it are different signals. */
export function signalKey(signal: Pick<IncidentSignal, 'kind' | 'signal' | 'rule'>): string {
  return `${signal.kind}:${signal.rule?.name ?? ''}:${signal.signal}`
}

/** A signal at its first anomalous window. */
export function track(anomaly: Anomaly, since: EventTime): Tracked {
  const { service, signal, kind, subject, labels, unit, end, score, value, direction, why, expected, rule } = anomaly
  return {
    ...{ signal, service, kind, subject, labels, unit, firing: true, since, lastAt: end, lastAnomalousAt: end },
    ...{ score, peak: score, value, direction, why, clearSince: null, clearWindows: 0, flaps: 0 },
    ...(expected ? { expected } : {}),
    ...(rule ? { rule } : {}),
  }
}

/** What a report meant for a signal: it fires anew, it is back from silence, or it goes on as before. */
export type Heard = 'fired' | 'returned' | 'same'

export function hearSignal(signal: Tracked, { end, score, value, why, expected }: Anomaly): Heard {
  const returned = signal.absent === true
  delete signal.absent
  Object.assign(signal, { lastAt: end, score, value, ...(expected ? { expected } : {}) })
  if (score < 1) {
    signal.clearSince ??= end
    signal.clearWindows++
    return returned ? 'returned' : 'same'
  }
  const fired = !signal.firing
  if (fired) signal.flaps++
  const peak = Math.max(signal.peak, score)
  Object.assign(signal, { firing: true, lastAnomalousAt: end, why, peak, clearSince: null, clearWindows: 0 })
  if (fired) return 'fired'
  return returned ? 'returned' : 'same'
}

/**
 * Does what time does to a signal: after enough normal windows it no longer fires, after a long silence it is absent.
 * `heard`: when its service was last heard of by any signal. True: it changed.
 */
export function settleSignal(signal: Tracked, heard: EventTime, now: EventTime, policy: Policy): boolean {
  if (!signal.firing || signal.absent) return false
  if (outlived(signal, heard) && !isCalm(signal, policy) && now >= signal.lastAt + policy.quietAfter)
    Object.assign(signal, { clearSince: now, clearWindows: policy.clearWindows, lastAt: now, score: 0 })
  if (isCalm(signal, policy)) {
    if (now < signal.clearSince! + hold(signal, policy)) return false
    signal.firing = false
    return true
  }
  if (now < signal.lastAt + policy.absentAfter) return false
  signal.absent = true
  signal.why = `no data since ${new Date(signal.lastAt).toISOString()}, so nothing can be said`
  return true
}

/** The next time at which `settleSignal` has something to do, or null. */
export function signalDueAt(signal: Tracked, heard: EventTime, policy: Policy): EventTime | null {
  if (!signal.firing || signal.absent) return null
  if (isCalm(signal, policy)) return signal.clearSince! + hold(signal, policy)
  const absentAt = signal.lastAt + policy.absentAfter
  return outlived(signal, heard) ? Math.min(absentAt, signal.lastAt + policy.quietAfter) : absentAt
}

const isCalm = (signal: Tracked, policy: Policy) => signal.clearWindows >= policy.clearWindows

/** A signal that keeps coming back must stay away longer each time before it counts as clear (compare RFC 2439). */
function hold(signal: Tracked, policy: Policy): number {
  return signal.flaps < 3 ? 0 : Math.min(policy.resolveAfter, policy.settle * 2 ** (signal.flaps - 3))
}

/** A new log pattern has no normal to return to; it is clear when unseen while its service is heard of otherwise. */
function outlived(signal: Tracked, heard: EventTime): boolean {
  return signal.kind === 'log' && signal.direction === 'new' && heard > signal.lastAt
}
