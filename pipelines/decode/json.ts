import { type Parts, Unreadable } from './decoded.ts'
import { readLogObject } from './json-log.ts'
import { isMetricObject, readMetricObject } from './json-metric.ts'
import { readOtlpLogs } from './otlp-logs.ts'
import { readOtlpMetrics } from './otlp-metrics.ts'
import type { Times } from './time.ts'
import { isFields, kindOf } from './values.ts'

/** @throws {Unreadable} `invalid-json` */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Unreadable('invalid-json', (error as Error).message.replace(/\s+/g, ' ').slice(0, 200))
  }
}

/**
 * Reads a JSON value: a request of OTLP/JSON, a metric, a log, or an array of these.
 * @throws {Unreadable} if it is none of them
 */
export function readJson(value: unknown, parts: Parts, times: Times): void {
  if (Array.isArray(value)) for (const each of value) parts.attempt(() => readObject(each, parts, times))
  else readObject(value, parts, times)
}

function readObject(value: unknown, parts: Parts, times: Times): void {
  if (!isFields(value)) throw new Unreadable('wrong-type', `the JSON is ${kindOf(value)}, not an object`)
  const other = ['resourceSpans', 'resourceProfiles'].find(name => Object.hasOwn(value, name))
  if (other !== undefined)
    throw new Unreadable('unsupported', `the record holds ${other}; only logs and metrics are read`)
  if (Object.hasOwn(value, 'resourceLogs')) readOtlpLogs(value, parts)
  else if (Object.hasOwn(value, 'resourceMetrics')) readOtlpMetrics(value, parts)
  else if (isMetricObject(value)) readMetricObject(value, parts, times)
  else readLogObject(value, parts, times)
}
