import type { EventTime } from '../../operators/operator.ts'
import type { Sample } from '../../operators/signal.ts'
import { type Parts, Unreadable } from './decoded.ts'
import { checkedBuckets, estimatedSum, explicitBuckets, type Side } from './histogram.ts'
import { addAttributes, scopesOf } from './otlp.ts'
import { instanceLabels, type Labels, type Place } from './place.ts'
import {
  type Fields,
  field,
  isFields,
  kindOf,
  listField,
  nanosecondsField,
  numberField,
  numbersField,
  textField,
} from './values.ts'

/** The kinds of metric OTLP has; each holds `dataPoints` of its own type. */
export const metricKinds = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'] as const
export type MetricKind = (typeof metricKinds)[number]

/** Turns elements of a request into objects, where they are not objects already. */
export interface MetricEntries {
  metric(entry: unknown): unknown
  point(entry: unknown, kind: MetricKind): unknown
}

const parsed: MetricEntries = { metric: entry => entry, point: entry => entry }

/** What the points of one metric share. */
interface Metric {
  readonly name: string
  readonly unit: string
  readonly place: Place
  /** Attributes of the resource and scope that make a series of its own. */
  readonly shared: Labels
  /** Not cumulative: each point counts from the one before. */
  readonly delta: boolean
  readonly monotonic: boolean
}

/**
 * Reads an ExportMetricsServiceRequest. A gauge stays one; a sum is a `counter` if it is monotonic and cumulative, a
 * `delta` if it counts from point to point, else a gauge; exponential histograms get explicit buckets; a summary becomes
 * a gauge for each quantile (label `quantile`) and the counters `<name>_count` and `<name>_sum`. Points that say that
 * nothing was measured are dropped as `no-value`.
 */
export function readOtlpMetrics(request: unknown, parts: Parts, entries: MetricEntries = parsed): void {
  const names = ['resourceMetrics', 'scopeMetrics', 'metrics'] as const
  for (const scope of scopesOf(request, names, error => parts.dead(error.reason, error.message))) {
    const place = parts.placeOf(scope.resource)
    const shared = instanceLabels(scope.resource)
    // One process may measure the same metric in two libraries; their running totals must not be mixed.
    if (scope.scope) shared['otel.scope.name'] = scope.scope
    for (const entry of scope.entries)
      parts.attempt(() => readMetric(entries.metric(entry), place, shared, parts, entries))
  }
}

function readMetric(entry: unknown, place: Place, shared: Labels, parts: Parts, entries: MetricEntries): void {
  if (!isFields(entry)) throw new Unreadable('wrong-type', `a metric is ${kindOf(entry)}, not an object`)
  const name = textField(entry, 'name')
  if (name === '') throw new Unreadable('wrong-type', 'a metric has no name')
  const kind = metricKinds.find(each => field(entry, each) !== undefined)
  if (kind === undefined)
    throw new Unreadable('wrong-type', `metric '${name.slice(0, 80)}' has no data of a known kind`)
  const data = field(entry, kind)
  const metric: Metric = {
    name,
    unit: textField(entry, 'unit'),
    place,
    shared,
    delta: temporality(field(data, 'aggregationTemporality')) === 'delta',
    monotonic: field(data, 'isMonotonic') === true,
  }
  for (const point of listField(data, 'dataPoints'))
    parts.attempt(() => readPoint(entries.point(point, kind), kind, metric, parts))
}

/** JSON must write the enum's number; some write its name. */
const temporality = (value: unknown): 'delta' | 'cumulative' =>
  value === 1 || value === 'AGGREGATION_TEMPORALITY_DELTA' ? 'delta' : 'cumulative'

function readPoint(point: unknown, kind: MetricKind, metric: Metric, parts: Parts): void {
  if (!isFields(point)) throw new Unreadable('wrong-type', `a data point is ${kindOf(point)}, not an object`)
  const flags = numberField(point, 'flags') ?? 0
  const time = nanosecondsField(point, 'timeUnixNano') ?? parts.record.appendedAt
  const labels = addAttributes({ ...metric.shared }, point)
  if ((flags & 1) === 1) parts.dropped('no-value')
  else if (kind === 'summary') for (const sample of summaryOf(point, metric, labels)) add(sample, time, parts)
  else if (kind === 'gauge' || kind === 'sum') add(numberOf(point, kind, metric, labels), time, parts)
  else add(histogramOf(point, kind, metric, labels), time, parts)
}

function add(sample: Sample, time: EventTime, parts: Parts): void {
  if (Number.isFinite(sample.value)) parts.event(sample, time)
  else parts.dropped('no-value')
}

function sampleOf(metric: Metric, labels: Labels, kind: Sample['kind'], value: number, name = metric.name): Sample {
  return { type: 'sample', ...metric.place, metric: name, unit: metric.unit, kind, value, labels }
}

function numberOf(point: Fields, kind: 'gauge' | 'sum', metric: Metric, labels: Labels): Sample {
  const value = numberField(point, 'asDouble') ?? numberField(point, 'asInt') ?? Number.NaN
  if (kind === 'gauge') return sampleOf(metric, labels, 'gauge', value)
  return sampleOf(metric, labels, metric.delta ? 'delta' : metric.monotonic ? 'counter' : 'gauge', value)
}

function histogramOf(
  point: Fields,
  kind: 'histogram' | 'exponentialHistogram',
  metric: Metric,
  labels: Labels,
): Sample {
  const buckets =
    kind === 'histogram'
      ? checkedBuckets(numbersField(point, 'explicitBounds'), numbersField(point, 'bucketCounts'))
      : explicitBuckets(
          numberField(point, 'scale') ?? 0,
          numberField(point, 'zeroCount') ?? 0,
          sideOf(field(point, 'positive')),
          sideOf(field(point, 'negative')),
        )
  const sum = numberField(point, 'sum') ?? (buckets === undefined ? 0 : estimatedSum(buckets))
  const sample = sampleOf(metric, labels, 'histogram', sum)
  sample.count = numberField(point, 'count') ?? 0
  if (buckets !== undefined) sample.buckets = { ...buckets, cumulative: !metric.delta }
  return sample
}

const sideOf = (side: unknown): Side => ({
  offset: numberField(side, 'offset') ?? 0,
  counts: numbersField(side, 'bucketCounts'),
})

function* summaryOf(point: Fields, metric: Metric, labels: Labels): Generator<Sample> {
  for (const each of listField(point, 'quantileValues')) {
    const quantile = String(numberField(each, 'quantile') ?? 0)
    yield sampleOf(metric, { ...labels, quantile }, 'gauge', numberField(each, 'value') ?? 0)
  }
  yield { ...sampleOf(metric, labels, 'counter', numberField(point, 'count') ?? 0, `${metric.name}_count`), unit: '' }
  yield sampleOf(metric, labels, 'counter', numberField(point, 'sum') ?? 0, `${metric.name}_sum`)
}
