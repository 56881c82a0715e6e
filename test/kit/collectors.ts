// What collectors say of a processor's load, as OTLP/JSON, each in the shape its own documentation gives.

export type Json = Record<string, unknown>

export interface Place {
  readonly environment: string
  readonly service: string
}

const attribute = (key: string, stringValue: string): Json => ({ key, value: { stringValue } })

const resourceOf = ({ environment, service }: Place): Json => ({
  attributes: [attribute('service.name', service), attribute('deployment.environment.name', environment)],
})

const nanoseconds = (milliseconds: number): string => `${milliseconds}000000`

interface Point {
  readonly attributes: Readonly<Record<string, string>>
  readonly value: number
}

const toPoint = (now: number, { attributes, value }: Point, more: Json = {}): Json => ({
  ...more,
  timeUnixNano: nanoseconds(now),
  attributes: Object.entries(attributes).map(([name, text]) => attribute(name, text)),
  asDouble: value,
})

const gauge = (name: string, now: number, points: readonly Point[]): Json => ({
  name,
  unit: '1',
  gauge: { dataPoints: points.map(point => toPoint(now, point)) },
})

const processors = ['cpu0', 'cpu1']

/** `system.cpu.utilization` of the collector's host metrics receiver: a share per processor and state. */
export const systemCpuUtilization = (busy: number, now: number): Json =>
  gauge(
    'system.cpu.utilization',
    now,
    processors.flatMap(cpu => [
      { attributes: { cpu, state: 'idle' }, value: 1 - busy },
      { attributes: { cpu, state: 'user' }, value: busy - 0.05 },
      { attributes: { cpu, state: 'system' }, value: 0.05 },
    ]),
  )

/** `process.cpu.utilization` of OpenTelemetry's semantic conventions: a share per mode. */
export const processCpuUtilization = (busy: number, now: number): Json =>
  gauge('process.cpu.utilization', now, [
    { attributes: { 'cpu.mode': 'user' }, value: busy - 0.05 },
    { attributes: { 'cpu.mode': 'system' }, value: 0.05 },
  ])

/** `node_cpu_seconds_total` of the node exporter, through the collector's Prometheus receiver: seconds since `start`. */
export function nodeCpuSeconds(busy: number, now: number, start: number): Json {
  const seconds = (now - start) / 1_000
  const points = processors.flatMap((_, cpu) => [
    { attributes: { cpu: String(cpu), mode: 'idle' }, value: (1 - busy) * seconds },
    { attributes: { cpu: String(cpu), mode: 'user' }, value: busy * seconds },
  ])
  const since = { startTimeUnixNano: nanoseconds(start) }
  return {
    name: 'node_cpu_seconds_total',
    sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: points.map(point => toPoint(now, point, since)) },
  }
}

/** An ExportMetricsServiceRequest. */
export const metricsRequest = (place: Place, metrics: readonly Json[]): Json => ({
  resourceMetrics: [{ resource: resourceOf(place), scopeMetrics: [{ metrics }] }],
})

/** An ExportLogsServiceRequest with so many lines of an error. */
export const errorsRequest = (place: Place, body: string, lines: number, now: number): Json => {
  const record = { timeUnixNano: nanoseconds(now), severityNumber: 17, body: { stringValue: body } }
  return { resourceLogs: [{ resource: resourceOf(place), scopeLogs: [{ logRecords: Array(lines).fill(record) }] }] }
}
