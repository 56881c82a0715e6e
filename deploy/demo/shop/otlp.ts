import type { Attributes, Reading, Temporality } from './instruments.ts'

// OTLP in JSON, as opentelemetry-proto/docs/specification.md asks: 64-bit integers are decimal strings, enums are
// numbers, trace and span ids are hex.

export const severities = { info: 9, warn: 13, error: 17 } as const
export type SeverityText = keyof typeof severities

export interface TraceContext {
  traceId: string
  spanId: string
}

export interface LogRecord {
  time: number
  severity: SeverityText
  body: string
  attributes: Attributes
  trace?: TraceContext
}

/** The span of time a report covers, in milliseconds. */
export interface Span {
  start: number
  now: number
}

const scope = { name: 'ops-agent-demo-shop' }

const nanoseconds = (milliseconds: number): string => `${Math.round(milliseconds * 1000)}000`

function toValue(value: string | number | boolean): Record<string, unknown> {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}

const toKeyValues = (attributes: Attributes) =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: toValue(value) }))

const toRecord = ({ time, severity, body, attributes, trace }: LogRecord) => ({
  timeUnixNano: nanoseconds(time),
  observedTimeUnixNano: nanoseconds(time),
  severityNumber: severities[severity],
  severityText: severity.toUpperCase(),
  body: { stringValue: body },
  attributes: toKeyValues(attributes),
  ...trace,
})

/** A request body for `/v1/logs`. */
export function encodeLogs(resource: Attributes, records: readonly LogRecord[]): string {
  return JSON.stringify({
    resourceLogs: [
      {
        resource: { attributes: toKeyValues(resource) },
        scopeLogs: [{ scope, logRecords: records.map(toRecord) }],
      },
    ],
  })
}

function toMetric(reading: Reading, temporality: Temporality, { start, now }: Span) {
  const { name, unit } = reading
  const times = { startTimeUnixNano: nanoseconds(start), timeUnixNano: nanoseconds(now) }
  const aggregationTemporality = temporality === 'delta' ? 1 : 2
  if (reading.kind === 'histogram') {
    const dataPoints = reading.points.map(point => ({
      ...times,
      attributes: toKeyValues(point.attributes),
      count: String(point.count),
      sum: point.sum,
      bucketCounts: point.counts.map(String),
      explicitBounds: reading.bounds,
    }))
    return { name, unit, histogram: { aggregationTemporality, dataPoints } }
  }
  const dataPoints = reading.points.map(point => ({
    ...times,
    attributes: toKeyValues(point.attributes),
    ...(Number.isInteger(point.value) ? { asInt: String(point.value) } : { asDouble: point.value }),
  }))
  if (reading.kind === 'gauge') return { name, unit, gauge: { dataPoints } }
  if (reading.kind === 'counter') return { name, unit, sum: { aggregationTemporality, isMonotonic: true, dataPoints } }
  // What goes up and down is cumulative whatever was preferred, as in OpenTelemetry's own exporters.
  return { name, unit, sum: { aggregationTemporality: 2, isMonotonic: false, dataPoints } }
}

/** A request body for `/v1/metrics`. */
export function encodeMetrics(
  resource: Attributes,
  readings: readonly Reading[],
  temporality: Temporality,
  span: Span,
): string {
  return JSON.stringify({
    resourceMetrics: [
      {
        resource: { attributes: toKeyValues(resource) },
        scopeMetrics: [
          {
            scope,
            metrics: readings
              .filter(reading => reading.points.length > 0)
              .map(reading => toMetric(reading, temporality, span)),
          },
        ],
      },
    ],
  })
}
