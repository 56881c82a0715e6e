import { otlp } from '../pipelines/decode/otlp-schema.ts'

// OTLP/JSON requests turned into the same requests in protobuf, the way a sender's library would write them.

type Json = Record<string, unknown>

const list = (of: Json, name: string): Json[] => (of[name] as Json[] | undefined) ?? []
const bytes = (hex: unknown): Buffer => Buffer.from(String(hex ?? ''), 'hex')

type Encoder = { encode(message: object): { finish(): Uint8Array }; fromObject(object: object): object }
const encoded = (type: Encoder, object: object): Uint8Array => type.encode(type.fromObject(object)).finish()

const logRecord = (record: Json): Uint8Array =>
  encoded(otlp.LogRecord, { ...record, traceId: bytes(record.traceId), spanId: bytes(record.spanId) })

const pointTypes: Record<string, Encoder> = {
  gauge: otlp.NumberDataPoint,
  sum: otlp.NumberDataPoint,
  histogram: otlp.HistogramDataPoint,
  exponentialHistogram: otlp.ExponentialHistogramDataPoint,
  summary: otlp.SummaryDataPoint,
}

function metric(of: Json): Uint8Array {
  const copy: Json = { ...of }
  for (const [kind, type] of Object.entries(pointTypes)) {
    const data = of[kind] as Json | undefined
    if (data) copy[kind] = { ...data, dataPoints: list(data, 'dataPoints').map(point => encoded(type, point)) }
  }
  return encoded(otlp.Metric, copy)
}

/** An ExportLogsServiceRequest. */
export const encodeLogs = (request: Json): Buffer =>
  Buffer.from(
    encoded(otlp.LogsRequest, {
      resourceLogs: list(request, 'resourceLogs').map(resource => ({
        ...resource,
        scopeLogs: list(resource, 'scopeLogs').map(scope => ({
          ...scope,
          logRecords: list(scope, 'logRecords').map(logRecord),
        })),
      })),
    }),
  )

/** An ExportMetricsServiceRequest. */
export const encodeMetrics = (request: Json): Buffer =>
  Buffer.from(
    encoded(otlp.MetricsRequest, {
      resourceMetrics: list(request, 'resourceMetrics').map(resource => ({
        ...resource,
        scopeMetrics: list(resource, 'scopeMetrics').map(scope => ({
          ...scope,
          metrics: list(scope, 'metrics').map(metric),
        })),
      })),
    }),
  )

export const attribute = (key: string, stringValue: string): Json => ({ key, value: { stringValue } })

/** A request of logs from one service. */
export const logsOf = (service: string, logRecords: readonly Json[]): Json => ({
  resourceLogs: [
    {
      resource: { attributes: [attribute('service.name', service)] },
      scopeLogs: [{ scope: { name: 'lib' }, logRecords }],
    },
  ],
})

/** A request of metrics from one service. */
export const metricsOf = (service: string, metrics: readonly Json[]): Json => ({
  resourceMetrics: [
    { resource: { attributes: [attribute('service.name', service)] }, scopeMetrics: [{ scope: {}, metrics }] },
  ],
})
