import type { Control, Suppressed } from '../operators/control.ts'
import type { Event } from '../operators/operator.ts'
import type { Anomaly, Incident, Pattern, PatternCount, PatternedLine, Sampling, Summary } from '../operators/signal.ts'
import type { DeadLetter } from './dead-letter.ts'
import type { Row } from './store.ts'

// From the values that flow to the rows of tables/. Pure, so that a replay writes equal rows. Times are milliseconds;
// a column DateTime64(3) takes a number as just that, a fraction excepted.

/** What is kept of a value that went wrong. */
const LONGEST = 65_536

const originOf = ({ origin }: Event<unknown>): Row => ({
  origin_stream: origin.stream,
  origin_offset: origin.offset,
  origin_index: origin.index,
})

/** For `log_lines`. */
export function logLineRow(event: Event<PatternedLine>): Row {
  const { environment, service, severity, pattern, body, attributes, traceId = '', spanId = '' } = event.value
  const time = Math.floor(event.time)
  return {
    environment,
    service,
    time,
    severity,
    pattern,
    body,
    attributes,
    trace_id: traceId,
    span_id: spanId,
    ...originOf(event),
  }
}

/** For `log_patterns`. */
export function patternRow({ value }: Event<Pattern>): Row {
  const { environment, service, pattern, version, template, example, severity, firstSeen, into } = value
  const row = { environment, service, pattern, version, template, example, severity, merged_into: into ?? '' }
  return { ...row, first_seen: Math.floor(firstSeen) }
}

/** For `log_counts`. */
export function patternCountRow({ value }: Event<PatternCount>): Row {
  const { environment, service, pattern, start, end, severity, count } = value
  return { environment, service, pattern, start, end, severity, count }
}

/** For `log_sampling`. */
export function samplingRow({ value }: Event<Sampling>): Row {
  const { environment, service, start, end, lines, kept, errors, errorsKept } = value
  return { environment, service, start, end, lines, kept, errors, errors_kept: errorsKept }
}

/** For `metric_summaries`. */
export function summaryRow({ value }: Event<Summary>): Row {
  const { environment, service, metric, series, unit, labels, start, end } = value
  const { count, mean, deviation, min, max, p50, p95, last } = value
  return {
    ...{ environment, service, metric, series, unit, labels, start, end },
    ...{ count, mean, deviation, min, max, p50, p95, last },
  }
}

/** For `anomalies`. */
export function anomalyRow({ value }: Event<Anomaly>): Row {
  const { environment, id, service, signal, kind, subject, labels, start, end } = value
  const { score, unit, expected, direction, voters, why, model, rule } = value
  return {
    ...{ environment, id, service, signal, kind, subject, labels, start, end },
    ...{ score, value: value.value, unit, direction, voters, why, model },
    yhat: expected?.yhat ?? null,
    lower: expected?.lower ?? null,
    upper: expected?.upper ?? null,
    rule: rule?.name ?? '',
    body: JSON.stringify(value),
  }
}

/** For `incidents`. */
export function incidentRow({ value }: Event<Incident>): Row {
  const { environment, id, version, state, severity, title, change, services, causes } = value
  return {
    ...{ environment, id, version, state, severity, title, change, services },
    cause_service: causes[0]?.service ?? '',
    cause_subject: causes[0]?.subject ?? '',
    cause_confidence: causes[0]?.confidence ?? 0,
    fault_at: value.faultAt,
    detected_at: value.detectedAt,
    identified_at: value.identifiedAt,
    mitigated_at: value.mitigatedAt,
    resolved_at: value.resolvedAt,
    closed_at: value.closedAt,
    updated_at: value.updatedAt,
    body: JSON.stringify(value),
  }
}

/** For `incident_events`. */
export function incidentEventRow({ value }: Event<Incident>): Row {
  const { environment, id, version, change, state, severity, updatedAt } = value
  return {
    ...{ environment, incident: id, version, at: updatedAt, change, state, severity },
    text: sentenceOf(value),
    body: JSON.stringify(value),
  }
}

/** What a version of an incident says that the one before did not. */
function sentenceOf({ change, title, causes, runs, services, signals }: Incident): string {
  const firing = `${signals.filter(signal => signal.firing).length} of ${signals.length} signals firing`
  const cause = causes[0]
  const run = runs.at(-1)
  switch (change) {
    case 'identified':
      return cause
        ? `cause: ${cause.service} ${cause.subject} (${Math.round(cause.confidence * 100)} %)`
        : 'insufficient evidence for a cause'
    case 'remediating':
    case 'monitoring':
      return run ? `runbook ${run.runbook} on ${run.target}: ${run.state}` : title
    case 'grew':
    case 'cleared':
    case 'fired':
      return `${firing} in ${services.join(', ')}`
    default:
      return title
  }
}

/** For `controls`. */
export function controlRow({ value, origin }: Event<Control>): Row {
  const { id, type, by, reason, at, validFrom, validTo } = value
  return {
    ...{ id, offset: origin.offset, type, by, reason, at },
    environment: ('environment' in value && value.environment) || '',
    service: ('service' in value && value.service) || '',
    valid_from: validFrom,
    valid_to: validTo,
    body: JSON.stringify(value),
  }
}

/** For `suppressions`. */
export function suppressionRow({ value: { anomaly, silence } }: Event<Suppressed>): Row {
  const { environment, id, service, signal, subject, end, score } = anomaly
  const { by, reason } = silence
  return { environment, anomaly: id, service, signal, subject, end, score, silence: silence.id, by, reason }
}

/** For `dead_letters`. */
export function deadLetterRow(dead: DeadLetter): Row {
  const { topic, partition, offset, index, reason, detail, value, headers, appendedAt } = dead
  return {
    ...{ topic, partition, offset, index, reason, detail, headers },
    step: dead.step ?? '',
    origin_stream: dead.originStream ?? '',
    value: value?.subarray(0, LONGEST).toString('base64') ?? '',
    value_bytes: value?.length ?? null,
    appended_at: Math.floor(appendedAt),
  }
}

/** For `late_events`. `step`: pipeline and step, `logs.rate`. */
export function lateRow(step: string, event: Event<unknown>): Row {
  const value = (JSON.stringify(event.value) ?? '').slice(0, LONGEST)
  return { step, key: event.key, time: Math.floor(event.time), ...originOf(event), value }
}
