import type { Sample } from '../../operators/signal.ts'
import { type Parts, Unreadable } from './decoded.ts'
import { messageNames, timeNames } from './json-log.ts'
import type { Labels } from './place.ts'
import { readTimestamp, type Times } from './time.ts'
import { asNumber, type Fields, field, firstField, isFields, jsonOf, kindOf } from './values.ts'

// A metric as plain JSON: prometheus-kafka-adapter (`{timestamp, value: "text", name, labels}`) and what others write.

const metricNames = ['metric', 'name', 'metric_name', '__name__']
const labelNames = ['labels', 'tags', 'dimensions', 'attributes']
const kinds: Record<string, Sample['kind']> = {
  gauge: 'gauge',
  counter: 'counter',
  cumulative: 'counter',
  delta: 'delta',
  count: 'delta',
}

/** A metric has a name and a value, and no message. */
export function isMetricObject(object: Fields): boolean {
  const named = metricNames.some(name => typeof field(object, name) === 'string')
  return named && Object.hasOwn(object, 'value') && firstField(object, messageNames) === undefined
}

/** @throws {Unreadable} if its value is no number, or its time none */
export function readMetricObject(object: Fields, parts: Parts, times: Times): void {
  const metric = firstField(object, metricNames)?.value
  if (typeof metric !== 'string' || metric === '') throw new Unreadable('wrong-type', 'a metric has no name')
  const value = asNumber(object.value)
  if (value === undefined)
    throw new Unreadable(
      'wrong-type',
      `the value of metric '${metric.slice(0, 80)}' is ${kindOf(object.value)}, not a number`,
    )
  const labels = labelsOf(firstField(object, labelNames)?.value)
  const identity = { ...labels, ...topLevel(object) }
  const adapter = labels.__name__ !== undefined
  delete labels.__name__
  const time = firstField(object, timeNames)
  const at = time === undefined ? times.fallback : readTimestamp(time.value, times.reference)
  const unit = field(object, 'unit')
  const sample: Sample = {
    type: 'sample',
    ...parts.placeOf(identity),
    metric,
    unit: typeof unit === 'string' ? unit : '',
    kind: kindOfMetric(object, metric, adapter),
    value,
    labels,
  }
  if (Number.isFinite(value)) parts.event(sample, at)
  else parts.dropped('no-value')
}

/**
 * What is said, else what the name says: OpenMetrics ends counters in `_total`, and a scraped histogram or summary in
 * `_count`, `_sum`, `_bucket`.
 */
function kindOfMetric(object: Fields, metric: string, scraped: boolean): Sample['kind'] {
  const said = firstField(object, ['kind', 'type'])?.value
  const kind = typeof said === 'string' ? kinds[said.toLowerCase()] : undefined
  const counts = scraped ? /_(total|count|sum|bucket)$/ : /_total$/
  return kind ?? (counts.test(metric) ? 'counter' : 'gauge')
}

/** Labels as an object, or as a list of `name:value`. */
function labelsOf(value: unknown): Labels {
  const labels: Labels = {}
  if (Array.isArray(value)) {
    for (const tag of value) {
      const [name, ...rest] = String(tag).split(':')
      if (name && name !== '__proto__') labels[name] = rest.join(':')
    }
  } else if (isFields(value)) {
    for (const [name, each] of Object.entries(value))
      if (each !== null && name !== '__proto__') labels[name] = typeof each === 'object' ? jsonOf(each) : String(each)
  } else if (value !== undefined) throw new Unreadable('wrong-type', `labels are ${kindOf(value)}, not an object`)
  return labels
}

function topLevel(object: Fields): Labels {
  const identity: Labels = {}
  for (const [to, names] of [
    ['service.name', ['service', 'service.name', 'service_name']],
    ['deployment.environment.name', ['environment', 'env']],
    ['host.name', ['host', 'hostname']],
  ] as const) {
    const value = firstField(object, names)?.value
    if (typeof value === 'string' && value !== '') identity[to] = value
  }
  return identity
}
