import type { Cause, Incident, IncidentSignal } from '../signal.ts'
import {
  type Evidence,
  evidence,
  isResource,
  type Scene,
  type SeenChange,
  type Suspect,
  strengthOf,
} from './evidence.ts'

export interface RankContext {
  /** Services that the given one calls, directly or through others. */
  readonly dependencies: (service: string) => ReadonlySet<string>
  readonly changes: readonly SeenChange[]
  /** How long before a first sign a change is suspected, in milliseconds. */
  readonly changeLookback: number
  /** How far apart first signs count as simultaneous, in milliseconds. */
  readonly onsetTolerance: number
}

/** Log-odds of "something we cannot see": what a suspect must exceed to be named at all. */
const unseen = 1

/**
 * The services of an incident as its causes, likeliest first, each with its most telling signal and the evidence.
 * Confidences are the shares of a multinomial logit over the suspects and "something we cannot see", so they add up to
 * less than 1. Empty: insufficient evidence, for no suspect outweighs what we cannot see. Pure; the order of signals does
 * not matter, and neither do names, which only break exact ties.
 */
export function rankCauses(incident: Pick<Incident, 'signals'>, context: RankContext): Cause[] {
  const suspects = suspectsOf(incident.signals)
  const scene: Scene = { ...context, suspects }
  const judged = suspects.map(suspect => judge(suspect, scene)).sort(compare)
  if (!judged[0] || judged[0].odds <= unseen) return []
  // Summed in the order of size, so that renaming services does not change the last digit.
  const total = judged.reduce((sum, { odds }) => sum + Math.exp(odds), Math.exp(unseen))
  return judged.map(({ suspect, odds, found }, index) => {
    const { signal, subject } = tellingSignal(suspect)
    const confidence = Math.floor((Math.exp(odds) / total) * 1e4) / 1e4
    return { rank: index + 1, service: suspect.service, signal, subject, confidence, evidence: found }
  })
}

interface Judged {
  readonly suspect: Suspect
  readonly odds: number
  readonly found: Evidence[]
}

function judge(suspect: Suspect, scene: Scene): Judged {
  const found = evidence.flatMap(piece => piece(suspect, scene) ?? [])
  return { suspect, found, odds: found.reduce((sum, { weight }) => sum + weight, 0) }
}

function compare(a: Judged, b: Judged): number {
  return (
    b.odds - a.odds ||
    a.suspect.since - b.suspect.since ||
    b.suspect.peak - a.suspect.peak ||
    order(a.suspect.service, b.suspect.service)
  )
}

function suspectsOf(signals: readonly IncidentSignal[]): Suspect[] {
  const services = Map.groupBy(signals, signal => signal.service)
  return [...services].map(([service, own]) => ({
    service,
    signals: own,
    since: Math.min(...own.map(signal => signal.since)),
    peak: Math.max(...own.map(signal => signal.peak)),
  }))
}

/** Between equals, what was measured is told before the rule that watched it. */
const kinds = ['metric', 'rule', 'log']

/** The signal of a suspect that says most about why: a resource before a symptom, the early before the late. */
function tellingSignal(suspect: Suspect): IncidentSignal {
  const weight = (signal: IncidentSignal) =>
    strengthOf(signal.peak) + (isResource(signal) ? 1 : 0) + (signal.since === suspect.since ? 0.5 : 0)
  return [...suspect.signals].sort(
    (a, b) =>
      weight(b) - weight(a) ||
      a.since - b.since ||
      kinds.indexOf(a.kind) - kinds.indexOf(b.kind) ||
      order(a.subject, b.subject) ||
      order(a.signal, b.signal),
  )[0]!
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
