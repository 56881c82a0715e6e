import type { Change, IncidentSignal } from '../signal.ts'
import { duration } from '../window.ts'

// What speaks for and against a service being the cause. Each piece is a function of its own; their weights are in
// log-odds (nats) and add up, as in naive Bayes. Replace, add or leave out pieces in `evidence` below.

/** A change and the event time it happened at. */
export interface SeenChange {
  readonly service: string
  readonly kind: Change['kind']
  readonly summary: string
  readonly at: number
}

/** A service of the incident that may be its cause. */
export interface Suspect {
  readonly service: string
  readonly signals: readonly IncidentSignal[]
  /** Start of its first anomalous window. */
  readonly since: number
  /** Highest score of its signals. */
  readonly peak: number
}

/** All there is to judge by. */
export interface Scene {
  readonly suspects: readonly Suspect[]
  /** Services that the given one calls, directly or through others. */
  readonly dependencies: (service: string) => ReadonlySet<string>
  readonly changes: readonly SeenChange[]
  readonly changeLookback: number
  readonly onsetTolerance: number
}

export interface Evidence {
  readonly kind: string
  readonly text: string
  /** Log-odds: above 0 speaks for the suspect, below 0 against it. */
  readonly weight: number
}

type Piece = (suspect: Suspect, scene: Scene) => Evidence | undefined

/** Resources that fill up, the S of Brendan Gregg's USE method: they are causes more often than symptoms. */
const resources =
  /(^|[._-])(cpu|mem(ory)?|rss|heap|swap|disk|filesystem|fs|io|iops|queue|backlog|lag|pool|connections?|threads?|handles|descriptors|gc|throttl\w*|saturation|oom|restarts?|quota|limit)([._-]|$)/i

/** Whether the signal is of a resource of the service itself, and not of the work it does for others. */
export const isResource = (signal: IncidentSignal): boolean => signal.kind !== 'log' && resources.test(signal.subject)

const clock = (time: number) => new Date(time).toISOString().slice(11, 19)
const others = (scene: Scene, suspect: Suspect) => scene.suspects.filter(other => other !== suspect)

function names(services: readonly string[]): string {
  const sorted = [...services].sort()
  return sorted.length <= 3 ? sorted.join(', ') : `${sorted.slice(0, 3).join(', ')} and ${sorted.length - 3} more`
}

/** The first to suffer is suspected, by the share of the others that suffered later. */
const onset: Piece = (suspect, scene) => {
  const rest = others(scene, suspect)
  const later = rest.filter(other => other.since > suspect.since + scene.onsetTolerance)
  if (later.length === 0) return undefined
  const first = later.length === rest.length
  const next = Math.min(...later.map(other => other.since))
  return {
    kind: 'onset',
    text: first
      ? `first sign at ${clock(suspect.since)}, ${duration(next - suspect.since)} before any other service`
      : `first sign at ${clock(suspect.since)}, before ${names(later.map(other => other.service))}`,
    weight: later.length / rest.length,
  }
}

const alone: Piece = (_suspect, scene) =>
  scene.suspects.length === 1
    ? { kind: 'alone', text: 'no other service shows anything unusual', weight: 1 }
    : undefined

/** Faults travel from the called to the caller: what a failing dependency explains needs no other explanation. */
const callees: Piece = (suspect, scene) => {
  const called = scene.dependencies(suspect.service)
  const failing = others(scene, suspect).filter(
    other => called.has(other.service) && other.since <= suspect.since + scene.onsetTolerance,
  )
  if (failing.length === 0) return undefined
  return {
    kind: 'explained',
    text: `calls ${names(failing.map(other => other.service))}, failing no later than itself`,
    weight: -1.5,
  }
}

/** A service whose failure explains that of those who call it. */
const callers: Piece = (suspect, scene) => {
  const rest = others(scene, suspect)
  const explained = rest.filter(
    other =>
      scene.dependencies(other.service).has(suspect.service) && other.since + scene.onsetTolerance >= suspect.since,
  )
  if (explained.length === 0) return undefined
  return {
    kind: 'explains',
    text: `${names(explained.map(other => other.service))} ${explained.length === 1 ? 'depends' : 'depend'} on it`,
    weight: 0.5 + explained.length / rest.length,
  }
}

/**
 * What a score is worth: how far a signal is beyond its own baseline is what N-Sigma and BARO rank by. The logarithm, and
 * a limit at 300 times what is tolerated, keep one wild series from deciding against the topology.
 */
export const strengthOf = (score: number): number => Math.min(4, 0.7 * Math.log(Math.max(1, score)))

const strength: Piece = suspect => {
  const weight = strengthOf(suspect.peak)
  if (weight < 0.05) return undefined
  return {
    kind: 'strength',
    text: `${Number(suspect.peak.toPrecision(2))} times as far from its own normal as is tolerated`,
    weight,
  }
}

const saturation: Piece = suspect => {
  const found = [...new Set(suspect.signals.filter(isResource).map(signal => signal.subject))]
  if (found.length === 0) return undefined
  return { kind: 'resource', text: `its own ${names(found)} is unusual, not only its answers`, weight: 1 }
}

/** A change shortly before the first sign; the shorter before, the more suspect. What we did ourselves is less so. */
const change: Piece = (suspect, scene) => {
  const own = scene.changes.filter(
    ({ service, at }) =>
      service === suspect.service &&
      at <= suspect.since + scene.onsetTolerance &&
      at > suspect.since - scene.changeLookback,
  )
  const weighed = own.map(seen => {
    const most = seen.kind === 'deploy' || seen.kind === 'config' ? 2 : 0.5
    const before = Math.max(0, suspect.since - seen.at)
    return { seen, before, weight: most * (1 - before / scene.changeLookback) }
  })
  const best = weighed.sort((a, b) => b.weight - a.weight || a.seen.at - b.seen.at)[0]
  if (!best) return undefined
  return {
    kind: 'change',
    text: `${best.seen.kind} at ${clock(best.seen.at)}, ${duration(best.before)} before its first sign: ${best.seen.summary}`,
    weight: best.weight,
  }
}

const novelty: Piece = suspect => {
  const fresh = suspect.signals.filter(signal => signal.kind === 'log' && signal.direction === 'new').length
  if (fresh === 0) return undefined
  return { kind: 'pattern', text: `${fresh} log pattern${fresh === 1 ? '' : 's'} never seen before`, weight: 0.5 }
}

/** All pieces, in the order they are told. */
export const evidence: readonly Piece[] = [onset, alone, callers, callees, strength, saturation, change, novelty]
