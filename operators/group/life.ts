import type { EventTime } from '../operator.ts'
import { type Anomaly, type Cause, type Incident, type RunReport, type Severity, serviceKey } from '../signal.ts'
import type { Policy } from './policy.ts'
import { hearSignal, settleSignal, signalDueAt, signalKey, type Tracked, track } from './tracked.ts'

// The life of one incident: what is known of it and how each report moves it. `hear` and `report` take in news, `advance`
// does what time alone does. Each answers the change that is worth a new version now, if any.

/** JSON-safe; the times are those of `Incident`. */
export interface Life {
  readonly id: string
  readonly environment: string
  version: number
  title: string
  severity: Severity
  /** By `signalKey`. */
  signals: Record<string, Tracked>
  causes: Cause[]
  /** Incidents that became a part of this one. */
  absorbed: string[]
  runs: Incident['runs']
  faultAt: EventTime
  detectedAt: EventTime
  identifiedAt: EventTime | null
  mitigatedAt: EventTime | null
  resolvedAt: EventTime | null
  closedAt: EventTime | null
  updatedAt: EventTime
  /** End of the newest anomalous window. */
  activeAt: EventTime
  /** When each of its services was last heard of, by `serviceKey`. */
  heard: Record<string, EventTime>
  /** When the causes are to be ranked. */
  rankAt: EventTime | null
  /** A change worth a version, though not at once. */
  unwritten: Change | null
  writeAt: EventTime | null
}

export type Change = Incident['change']

/** Of several changes at one moment the first of these names the version. */
const precedence: readonly Change[] = [
  'opened',
  'reopened',
  'resolved',
  'closed',
  'merged',
  'cleared',
  'fired',
  'remediating',
  'monitoring',
  'grew',
  'identified',
  'eased',
]

export function weightier(a: Change | undefined, b: Change | undefined): Change | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return precedence.indexOf(a) <= precedence.indexOf(b) ? a : b
}

/** Resolved or closed: only a returning signal brings it back. */
export const isOver = (life: Life): boolean => life.resolvedAt !== null || life.closedAt !== null

const heardOf = (life: Life, signal: Tracked): EventTime =>
  life.heard[serviceKey({ environment: life.environment, service: signal.service })] ?? 0

/** An incident at its first signal; `since`: start of the first anomalous window. */
export function open(id: string, anomaly: Anomaly, since: EventTime, now: EventTime, policy: Policy): Life {
  const never = { identifiedAt: null, mitigatedAt: null, resolvedAt: null, closedAt: null, rankAt: null, writeAt: null }
  const life: Life = {
    ...{ id, environment: anomaly.environment, version: 0, title: '', severity: 'low' },
    ...{ signals: {}, causes: [], absorbed: [], runs: [], heard: {}, unwritten: null },
    ...{ faultAt: since, detectedAt: now, updatedAt: now, activeAt: anomaly.end },
    ...never,
  }
  join(life, anomaly, since, now, policy)
  return life
}

/** Takes in a signal the incident does not know yet. */
export function join(
  life: Life,
  anomaly: Anomaly,
  since: EventTime,
  now: EventTime,
  policy: Policy,
): Change | undefined {
  const newService = Object.values(life.signals).every(({ service }) => service !== anomaly.service)
  life.signals[signalKey(anomaly)] = track(anomaly, since)
  life.faultAt = Math.min(life.faultAt, since)
  life.activeAt = Math.max(life.activeAt, anomaly.end)
  life.heard[serviceKey(anomaly)] = anomaly.end
  life.rankAt ??= now + policy.settle
  if (life.mitigatedAt !== null) return unmitigated(life)
  return newService || anomaly.kind === 'rule' ? 'grew' : soon(life, 'grew', now, policy)
}

/** Makes another incident a part of this one, which is the older. */
export function absorb(life: Life, other: Life): void {
  life.signals = { ...other.signals, ...life.signals }
  life.runs = [...life.runs, ...other.runs].sort((a, b) => a.at - b.at).slice(-maxRuns)
  life.absorbed = [...life.absorbed, other.id, ...other.absorbed].slice(-maxAbsorbed)
  for (const [key, at] of Object.entries(other.heard)) life.heard[key] = Math.max(life.heard[key] ?? 0, at)
  life.faultAt = Math.min(life.faultAt, other.faultAt)
  life.activeAt = Math.max(life.activeAt, other.activeAt)
}

/** Takes in a report of a signal the incident knows. */
export function hear(life: Life, anomaly: Anomaly, now: EventTime, policy: Policy): Change | undefined {
  const signal = life.signals[signalKey(anomaly)]!
  const heard = hearSignal(signal, anomaly)
  if (anomaly.score >= 1) {
    life.activeAt = Math.max(life.activeAt, anomaly.end)
    if (isOver(life)) return reopen(life, now, policy)
    if (life.mitigatedAt !== null) return unmitigated(life)
  }
  if (heard === 'same' || isOver(life)) return undefined
  const change = anomaly.score >= 1 ? 'fired' : 'eased'
  return signal.kind === 'rule' ? change : soon(life, change, now, policy)
}

/** A sign of life of a service, by which its log patterns are known to be gone and not just unheard; false: not its. */
export function hearService(life: Life, key: string, at: EventTime): boolean {
  if (!(key in life.heard)) return false
  life.heard[key] = Math.max(life.heard[key] ?? 0, at)
  return true
}

function unmitigated(life: Life): Change {
  life.mitigatedAt = null
  return 'fired'
}

function reopen(life: Life, now: EventTime, policy: Policy): Change {
  life.mitigatedAt = null
  life.resolvedAt = null
  life.closedAt = null
  life.rankAt = now + policy.settle
  return 'reopened'
}

/** In the order a run goes through them; whatever is not here is an end. */
const progress = ['queued', 'blocked', 'awaiting_approval', 'running', 'in_doubt', 'verifying']
const progressOf = (state: string) => (progress.includes(state) ? progress.indexOf(state) : progress.length)

/** Runs remembered of an incident; the oldest that are over give way. */
const maxRuns = 50
const maxAbsorbed = 50

/** Takes in what became of a run. A report that says nothing new changes nothing. */
export function report(life: Life, told: RunReport, now: EventTime): Change | undefined {
  const { run, runbook, target, state } = told
  const known = life.runs.find(other => other.run === run)
  if (known) {
    const newer = now > known.at || progressOf(state) > progressOf(known.state)
    if (!newer || state === known.state) return undefined
    Object.assign(known, { state, at: now })
  } else {
    life.runs.push({ run, runbook, target, state, at: now })
    const ended = life.runs.findIndex(other => !progress.includes(other.state))
    if (life.runs.length > maxRuns) life.runs.splice(Math.max(0, ended), 1)
  }
  return state === 'verifying' || state === 'succeeded' ? 'monitoring' : 'remediating'
}

/** Does what is due at `now`. `rank` is asked only when causes are wanted. */
export function advance(life: Life, now: EventTime, policy: Policy, rank: () => Cause[]): Change | undefined {
  if (isOver(life)) return closeResolved(life, now, policy)
  const signals = Object.values(life.signals)
  let change: Change | undefined
  for (const signal of signals)
    if (settleSignal(signal, heardOf(life, signal), now, policy))
      change = weightier(change, signal.kind === 'rule' ? 'eased' : soon(life, 'eased', now, policy))
  if (signals.every(signal => !signal.firing)) change = weightier(change, calmed(life, now, policy, rank))
  else if (signals.every(signal => !signal.firing || signal.absent)) change = closeUnknown(life, now)
  else change = weightier(change, identify(life, now, policy, rank))
  return weightier(change, life.writeAt !== null && now >= life.writeAt ? (life.unwritten ?? undefined) : undefined)
}

/** Whether nothing more can happen to it. */
export function isDone(life: Life, now: EventTime, policy: Policy): boolean {
  if (life.closedAt === null) return false
  return life.resolvedAt !== null || now >= life.closedAt + policy.reopenWindow
}

/** The next time at which `advance` has something to do or the incident is done, or null. */
export function dueAt(life: Life, policy: Policy): EventTime | null {
  const end = life.closedAt ?? life.resolvedAt
  if (end !== null) return end + policy.reopenWindow
  const times = [life.rankAt, life.writeAt, life.mitigatedAt === null ? null : life.mitigatedAt + policy.resolveAfter]
  for (const signal of Object.values(life.signals)) times.push(signalDueAt(signal, heardOf(life, signal), policy))
  const known = times.filter(time => time !== null)
  return known.length === 0 ? null : Math.min(...known)
}

/**
 * A version for this change, though not at once: one signal more of a service known to suffer, or one that cleared while
 * others fire. All of `settle` make one version.
 */
function soon(life: Life, change: Change, now: EventTime, policy: Policy): undefined {
  life.unwritten = weightier(life.unwritten ?? undefined, change) ?? null
  life.writeAt ??= now + policy.settle
}

/** All signals are clear: mitigated at once, resolved after a while. */
function calmed(life: Life, now: EventTime, policy: Policy, rank: () => Cause[]): Change | undefined {
  let change: Change | undefined
  if (life.mitigatedAt === null) {
    if (life.identifiedAt === null) identified(life, rank(), now)
    life.rankAt = null
    const since = Math.max(...Object.values(life.signals).map(signal => signal.clearSince ?? now))
    life.mitigatedAt = Math.max(since, life.identifiedAt ?? life.detectedAt)
    change = 'cleared'
  }
  if (now < life.mitigatedAt + policy.resolveAfter) return change
  life.resolvedAt = now
  return 'resolved'
}

/** No signal is known to fire and not all are known to be clear: over, but no success. */
function closeUnknown(life: Life, now: EventTime): Change {
  life.closedAt = now
  life.rankAt = null
  return 'closed'
}

function closeResolved(life: Life, now: EventTime, policy: Policy): Change | undefined {
  if (life.closedAt !== null || life.resolvedAt === null || now < life.resolvedAt + policy.reopenWindow)
    return undefined
  life.closedAt = now
  return 'closed'
}

/** Names the cause when enough was gathered, or sooner when it is plain; says so again only if it is another one. */
function identify(life: Life, now: EventTime, policy: Policy, rank: () => Cause[]): Change | undefined {
  if (life.rankAt === null) return undefined
  const gathered = now >= life.rankAt
  if (!gathered && life.identifiedAt !== null) return undefined
  const causes = rank()
  if (!gathered && !isPlain(life, causes, now, policy)) return undefined
  if (gathered) life.rankAt = null
  return identified(life, causes, now) ? 'identified' : undefined
}

/** One service proves nothing yet, nor do the reports of the first moment: what it calls may not have been heard. */
function isPlain(life: Life, causes: readonly Cause[], now: EventTime, policy: Policy): boolean {
  return causes.length > 1 && now > life.detectedAt && causes[0]!.confidence >= policy.sure
}

function identified(life: Life, causes: Cause[], now: EventTime): boolean {
  const [before, after] = [life.causes[0], causes[0]]
  if (!after) return false
  life.causes = causes
  life.identifiedAt ??= Math.max(now, life.detectedAt)
  return before?.service !== after.service || before.signal !== after.signal
}
