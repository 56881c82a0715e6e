import { identify } from '../identity.ts'
import type { Anomaly } from '../signal.ts'
import type { Vote } from './verdict.ts'

/** Where and what a report is about. */
export interface Subject {
  readonly environment: string
  readonly service: string
  readonly signal: string
  readonly kind: Anomaly['kind']
  readonly subject: string
  readonly labels: Record<string, string>
  readonly unit: string
  readonly start: number
  readonly end: number
}

export interface Finding {
  readonly score: number
  readonly value: number
  readonly expected?: Anomaly['expected']
  readonly direction: Anomaly['direction']
  readonly votes: readonly Vote[]
  readonly why: string
  readonly model: string
}

/** Builds the anomaly of one signal in one window; its id is the same whenever the window is scored again. */
export function report(subject: Subject, { score, expected, votes, ...finding }: Finding): Anomaly {
  const { kind, signal, start } = subject
  return {
    type: 'anomaly',
    id: identify('anomaly', kind, signal, start),
    ...subject,
    ...finding,
    ...(expected === undefined ? {} : { expected }),
    score: cut(score),
    voters: votes.map(vote => ({ ...vote, score: cut(vote.score) })),
  }
}

/** Three digits after the point, cut and not rounded, so that a score below 1 stays below. */
const cut = (score: number): number => Math.floor(Math.min(score, 1_000) * 1_000) / 1_000

/**
 * Whether a signal is to be reported: while it is anomalous, and for `hot` windows after, so that a reader can tell
 * cleared from silent. Answers the windows still to be reported, or undefined where there is nothing to report.
 */
export function stillHot(left: number, score: number, hot: number): number | undefined {
  if (score >= 1) return hot
  return left > 0 ? left - 1 : undefined
}
