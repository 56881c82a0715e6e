import type { Event, EventTime } from '../operators/operator.ts'
import type { Anomaly, Incident, LogLine, Pattern, PatternCount, PatternedLine, Summary } from '../operators/signal.ts'
import type { DeadLetter } from './dead-letter.ts'
import type { Row } from './store.ts'

// From values to rows, one function a table. Pure, so that a replay writes the same rows over.

/** `2026-11-22 10:00:00.000`: how ClickHouse reads a DateTime64(3, 'UTC'). Years outside 1900-2299 become the nearest. */
export function timestamp(time: EventTime): string {
  const bounded = Math.min(Math.max(time, Date.UTC(1900, 0, 1)), Date.UTC(2299, 11, 31))
  return new Date(bounded).toISOString().replace('T', ' ').slice(0, 23)
}

/** A line with its pattern. */
export const logLineRow = (event: Event<PatternedLine>): Row => lineRow(event, event.value.pattern, false)

/** A line that came too late to be given a pattern. */
export const lateLineRow = (event: Event<LogLine>): Row => lineRow(event, '', true)

function lineRow({ time, origin, value }: Event<LogLine | PatternedLine>, pattern: string, late: boolean): Row {
  return {
    stream: origin.stream,
    position: origin.offset,
    part: origin.index,
    environment: value.environment,
    service: value.service,
    time: timestamp(time),
    severity: value.severity,
    pattern,
    body: value.body,
    attributes: value.attributes,
    trace_id: value.traceId ?? '',
    span_id: value.spanId ?? '',
    late,
  }
}

export function patternRow({ value }: Event<Pattern>): Row {
  const { environment, service, pattern, version, template, severity, example } = value
  return { environment, service, pattern, version, template, severity, example, first_seen: timestamp(value.firstSeen) }
}

export function patternCountRow({ value }: Event<PatternCount>): Row {
  const { environment, service, pattern, severity, count } = value
  return { environment, service, pattern, severity, count, start: timestamp(value.start), end: timestamp(value.end) }
}

export function summaryRow({ value }: Event<Summary>): Row {
  return { ...value, start: timestamp(value.start), end: timestamp(value.end) }
}

export function anomalyRow({ value }: Event<Anomaly>): Row {
  const { environment, service, id, kind, signal, subject, score, unit, why, model } = value
  const times = { start: timestamp(value.start), end: timestamp(value.end) }
  const body = JSON.stringify(value)
  return {
    environment,
    service,
    id,
    kind,
    signal,
    subject,
    ...times,
    score,
    value: value.value,
    unit,
    why,
    model,
    body,
  }
}

export function incidentRow({ value }: Event<Incident>): Row {
  const { environment, id, version, state, severity, title, services, causes } = value
  return {
    environment,
    id,
    version,
    state,
    severity,
    title,
    services,
    cause_service: causes[0]?.service ?? '',
    cause_confidence: causes[0]?.confidence ?? 0,
    detected_at: timestamp(value.detectedAt),
    updated_at: timestamp(value.updatedAt),
    resolved_at: value.resolvedAt === null ? null : timestamp(value.resolvedAt),
    body: JSON.stringify(value),
  }
}

export function incidentEventRow({ value }: Event<Incident>): Row {
  const { environment, id, version, change, state, updatedAt } = value
  const body = JSON.stringify(value)
  return { environment, incident: id, version, at: timestamp(updatedAt), change, state, text: told(value), body }
}

/** A version of an incident in one line, as its timeline tells it. */
function told({ change, title, causes, runs, signals }: Incident): string {
  const run = runs.at(-1)
  if (change === 'opened') return title
  if (change === 'identified')
    return causes[0] ? `cause: ${causes[0].service} ${causes[0].subject}` : 'insufficient evidence for a cause'
  if ((change === 'remediating' || change === 'monitoring') && run) return `runbook ${run.runbook}: ${run.state}`
  const firing = signals.filter(signal => signal.firing).length
  return `${firing} of ${signals.length} signals firing`
}

const LONGEST_VALUE = 65_536

export function deadLetterRow({
  topic,
  partition,
  offset,
  index,
  reason,
  detail,
  value,
  headers,
  appendedAt,
}: DeadLetter): Row {
  return {
    topic,
    partition,
    position: offset,
    part: index,
    reason,
    detail,
    value: value?.subarray(0, LONGEST_VALUE).toString('base64') ?? '',
    bytes: value?.length ?? 0,
    headers,
    appended_at: timestamp(appendedAt),
  }
}

export function lateRow(step: string, { key, time, origin }: Event<unknown>): Row {
  return { step, key, stream: origin.stream, position: origin.offset, part: origin.index, time: timestamp(time) }
}
