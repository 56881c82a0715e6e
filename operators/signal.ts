import { z } from 'zod'
import { Silence } from './control.ts'

// The values that flow between pipelines. Each is a zod schema, because every hop through a topic is an entry.

const Labels = z.record(z.string(), z.string())

/** Where something belongs: part of every key, so that a signal of staging can never act on production. */
const Place = { environment: z.string().min(1), service: z.string().min(1) }

/** One log event. `severity` is OpenTelemetry's number, 1-24; 0 is unknown. */
export const LogLine = z.object({
  type: z.literal('log'),
  ...Place,
  severity: z.int().min(0).max(24),
  body: z.string(),
  attributes: Labels.default({}),
  traceId: z.string().optional(),
  spanId: z.string().optional(),
})
export type LogLine = z.output<typeof LogLine>

/**
 * One point of a metric series. `gauge`: the value as it is. `counter`: a running total that resets to 0.
 * `delta`: an increase since the point before. `histogram`: `value` is the sum, `count` how many, `buckets` how many at
 * or below each bound (the last one above all), running totals if `cumulative`.
 */
export const Sample = z.object({
  type: z.literal('sample'),
  ...Place,
  metric: z.string().min(1),
  unit: z.string().default(''),
  kind: z.enum(['gauge', 'counter', 'delta', 'histogram']),
  value: z.number(),
  count: z.number().optional(),
  buckets: z.object({ bounds: z.array(z.number()), counts: z.array(z.number()), cumulative: z.boolean() }).optional(),
  labels: Labels.default({}),
})
export type Sample = z.output<typeof Sample>

/** Something people or machines did on purpose: a deploy, a new configuration, a scaling. */
export const Change = z.object({
  type: z.literal('change'),
  ...Place,
  kind: z.enum(['deploy', 'config', 'scale', 'restart', 'other']),
  summary: z.string(),
})
export type Change = z.output<typeof Change>

export const Telemetry = z.discriminatedUnion('type', [LogLine, Sample, Change])
export type Telemetry = z.output<typeof Telemetry>

/** A log line and the pattern it belongs to; `pattern` names it, the text of it is in the table of patterns. */
export const PatternedLine = LogLine.extend({ type: z.literal('line'), pattern: z.string() })
export type PatternedLine = z.output<typeof PatternedLine>

/** A log pattern at one version of its life: born, widened by a line that differed in one more place, or merged. */
export const Pattern = z.object({
  type: z.literal('pattern'),
  ...Place,
  /** Hash of environment, service and the text it was born with: stable while the text widens. */
  pattern: z.string(),
  version: z.int().min(1),
  /** Variable places are `<*>`. */
  template: z.string(),
  severity: z.int(),
  /** A line of it, secrets masked. */
  example: z.string(),
  firstSeen: z.number(),
  /** The pattern that has taken this one's place: later lines have that one's id. Absent: it stands for itself. */
  into: z.string().optional(),
})
export type Pattern = z.output<typeof Pattern>

/** That only a sample of the lines of one service in one window is kept, and how large it is. */
export const Sampling = z.object({
  type: z.literal('sampling'),
  ...Place,
  start: z.number(),
  end: z.number(),
  /** Lines below error severity, and how many of them are kept. */
  lines: z.int(),
  kept: z.int(),
  /** The same for those at error severity and above. */
  errors: z.int(),
  errorsKept: z.int(),
})
export type Sampling = z.output<typeof Sampling>

/** How many lines of one pattern one window held. */
export const PatternCount = z.object({
  ...Place,
  pattern: z.string(),
  severity: z.int(),
  start: z.number(),
  end: z.number(),
  count: z.int().min(1),
})
export type PatternCount = z.output<typeof PatternCount>

/** One series over one window. Counters and deltas are rates per second, histograms are their quantiles. */
export const Summary = z.object({
  ...Place,
  metric: z.string(),
  /** Hash of environment, service, metric, labels. */
  series: z.string(),
  unit: z.string(),
  labels: Labels,
  start: z.number(),
  end: z.number(),
  count: z.number(),
  mean: z.number(),
  deviation: z.number(),
  min: z.number(),
  max: z.number(),
  p50: z.number(),
  p95: z.number(),
  last: z.number(),
})
export type Summary = z.output<typeof Summary>

export const Voter = z.object({ name: z.string(), score: z.number(), why: z.string() })

/**
 * The score of one signal in one window: below 1 is normal, 1 and above is anomalous. A signal that was anomalous is
 * reported for some windows after, with scores below 1, so that a reader can tell "cleared" from "no data".
 */
export const Anomaly = z.object({
  type: z.literal('anomaly'),
  /** Deterministic: a replay gives the same id. */
  id: z.string(),
  ...Place,
  /** The series or pattern it is in; equal across windows. */
  signal: z.string(),
  kind: z.enum(['metric', 'log', 'rule']),
  /** Metric name, or the pattern's text. */
  subject: z.string(),
  labels: Labels,
  /** Window, `[start, end)` in event time. */
  start: z.number(),
  end: z.number(),
  score: z.number().min(0),
  value: z.number(),
  unit: z.string(),
  expected: z.object({ yhat: z.number(), lower: z.number(), upper: z.number() }).optional(),
  direction: z.enum(['above', 'below', 'new', 'both']),
  voters: z.array(Voter),
  why: z.string(),
  /** Version of the model that scored it. */
  model: z.string(),
  /** For `rule`: the static rule that watches the signal. */
  rule: z.object({ name: z.string(), threshold: z.number(), comparison: z.enum(['above', 'below']) }).optional(),
})
export type Anomaly = z.output<typeof Anomaly>

/** A signal of an incident, as it stands. */
export const IncidentSignal = z.object({
  signal: z.string(),
  service: z.string(),
  kind: z.enum(['metric', 'log', 'rule']),
  subject: z.string(),
  labels: Labels,
  unit: z.string(),
  firing: z.boolean(),
  /** Not heard of for so long that nothing can be said of it: whatever `firing` was, it is neither firing nor clear. */
  absent: z.boolean().optional(),
  /** Start of the first anomalous window. */
  since: z.number(),
  /** End of the newest window heard of. */
  lastAt: z.number(),
  /** End of the newest anomalous window. */
  lastAnomalousAt: z.number(),
  score: z.number(),
  peak: z.number(),
  value: z.number(),
  expected: z.object({ yhat: z.number(), lower: z.number(), upper: z.number() }).optional(),
  direction: z.enum(['above', 'below', 'new', 'both']),
  why: z.string(),
  rule: z.object({ name: z.string(), threshold: z.number(), comparison: z.enum(['above', 'below']) }).optional(),
})
export type IncidentSignal = z.output<typeof IncidentSignal>

export const Cause = z.object({
  rank: z.int().min(1),
  service: z.string(),
  signal: z.string(),
  subject: z.string(),
  /** Share of the evidence, 0-1; the causes of an incident add up to at most 1. */
  confidence: z.number().min(0).max(1),
  evidence: z.array(z.object({ kind: z.string(), text: z.string(), weight: z.number() })),
})
export type Cause = z.output<typeof Cause>

export const IncidentState = z.enum([
  'detected',
  'triaged',
  'acknowledged',
  'identified',
  'remediating',
  'monitoring',
  'resolved',
  'closed',
  'suppressed',
  'merged',
  'false_positive',
  'cancelled',
])
export type IncidentState = z.output<typeof IncidentState>

export const Severity = z.enum(['critical', 'high', 'medium', 'low'])
export type Severity = z.output<typeof Severity>

/** One outage, whole, at one version of its life. */
export const Incident = z.object({
  id: z.string(),
  version: z.int().min(1),
  environment: z.string(),
  state: IncidentState,
  severity: Severity,
  title: z.string(),
  /** Why this version was written. `eased`: some signals cleared while others fire; `cleared`: all of them did. */
  change: z.enum([
    'opened',
    'grew',
    'identified',
    'remediating',
    'monitoring',
    'eased',
    'cleared',
    'fired',
    'reopened',
    'resolved',
    'closed',
    'merged',
  ]),
  /** The incident this one became a part of; state `merged`. */
  mergedInto: z.string().optional(),
  /** Incidents that became a part of this one. */
  absorbed: z.array(z.string()).optional(),
  services: z.array(z.string()),
  signals: z.array(IncidentSignal),
  /** Ranked; empty is "insufficient evidence". */
  causes: z.array(Cause),
  /** Runs so far, newest last. */
  runs: z.array(
    z.object({ run: z.string(), runbook: z.string(), target: z.string(), state: z.string(), at: z.number() }),
  ),
  /** Event times in milliseconds; each at or after the one before it. */
  faultAt: z.number().nullable(),
  detectedAt: z.number(),
  identifiedAt: z.number().nullable(),
  mitigatedAt: z.number().nullable(),
  resolvedAt: z.number().nullable(),
  closedAt: z.number().nullable(),
  updatedAt: z.number(),
})
export type Incident = z.output<typeof Incident>

export const RunState = z.enum([
  'queued',
  'blocked',
  'awaiting_approval',
  'running',
  'verifying',
  'succeeded',
  'rolled_back',
  'rollback_failed',
  'failed',
  'rejected',
  'expired',
  'cancelled',
  'in_doubt',
])
export type RunState = z.output<typeof RunState>

/** What became of a run: published back among the signals of its environment, so that the incident shows it. */
export const RunReport = z.object({
  type: z.literal('run'),
  run: z.string(),
  incident: z.string(),
  ...Place,
  runbook: z.string(),
  target: z.string(),
  state: RunState,
  summary: z.string(),
})
export type RunReport = z.output<typeof RunReport>

/** Everything that can say something about the state of an environment; the topic `ops.anomalies`. */
export const Signal = z.discriminatedUnion('type', [Anomaly, RunReport, Change, Silence])
export type Signal = z.output<typeof Signal>

/** An incident asks for a runbook; nothing has been done yet. */
export const RunRequested = z.object({
  type: z.literal('requested'),
  /** Deterministic: hash of runbook, incident, target, attempt. */
  run: z.string(),
  runbook: z.string(),
  incident: z.string(),
  ...Place,
  /** `environment/service` the actions are for: key of the topic. */
  target: z.string(),
  /** Event time of the request. */
  at: z.number(),
  because: z.string(),
  /** Typed, validated values and nothing else: never text from a log line. */
  inputs: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
})
export type RunRequested = z.output<typeof RunRequested>

/** Whether the signals that asked for a run have cleared, and stayed clear. */
export const RunVerdict = z.object({
  type: z.literal('verdict'),
  run: z.string(),
  target: z.string(),
  at: z.number(),
  verdict: z.enum(['verified', 'failed', 'inconclusive']),
  why: z.string(),
})
export type RunVerdict = z.output<typeof RunVerdict>

/** The key of everything about one service: environment and service, which are thereby never mixed up. */
export function serviceKey(place: { environment: string; service: string }): string {
  return `${place.environment.replaceAll('/', '%2F')}/${place.service}`
}
