import { readLevel, readSeverity, syslogSeverity } from '../../operators/severity.ts'
import type { LogLine } from '../../operators/signal.ts'
import type { Parts } from './decoded.ts'
import type { Labels } from './place.ts'
import { readTimestamp, type Times } from './time.ts'
import { asNumber, type Fields, field, firstField, isFields, jsonOf } from './values.ts'

// A log as plain JSON: Fluent Bit, Vector, pino, bunyan, winston, zap, zerolog, Logstash, Elastic Common Schema, GELF,
// journald. The first name of each list that is there wins.

export const messageNames = ['message', 'msg', 'log', 'body', '@message', 'short_message', 'MESSAGE', 'textPayload']
export const timeNames = ['timestamp', 'time', 'ts', '@timestamp', 'datetime', 'date', 'eventTime']
const levelNames = [
  'level',
  'severity',
  'lvl',
  'log.level',
  'loglevel',
  'log_level',
  'severity_text',
  'severityText',
  'levelname',
  'PRIORITY',
]
const serviceNames = [
  'service.name',
  'service',
  'service_name',
  'serviceName',
  'app',
  'application',
  'kubernetes.labels.app',
  'kubernetes.labels.app.kubernetes.io/name',
  'kubernetes.container_name',
  'container_name',
  'container.name',
]
const traceNames = ['trace_id', 'traceId', 'trace.id', 'traceID']
const spanNames = ['span_id', 'spanId', 'span.id', 'spanID']
/** Names of other senders for attributes that OpenTelemetry has a name for. */
const hostNames = ['host.name', 'host', 'hostname']
const environmentNames = ['deployment.environment.name', 'service.environment', 'environment', 'env']

/**
 * Reads a log. An object without a message is one whose message is its own JSON (access logs are often so). Everything
 * that is not message, time, level or trace becomes an attribute, nested names joined by dots.
 * @throws {Unreadable} if its time is none
 */
export function readLogObject(object: Fields, parts: Parts, times: Times): void {
  const message = firstField(object, messageNames)
  const time = firstField(object, timeNames)
  const level = firstField(object, levelNames) ?? nestedLevel(object)
  const body = message === undefined ? jsonOf(object) : textOf(message.value)
  const attributes = flatten(object, new Set([message?.name, time?.name, level?.name]))
  const line: LogLine = {
    type: 'log',
    ...parts.placeOf(identityOf(attributes)),
    severity: (level === undefined ? 0 : severityOf(level.name, level.value)) || readSeverity(body),
    body,
    attributes,
  }
  const traceId = taken(attributes, traceNames)
  if (traceId !== undefined) line.traceId = traceId
  const spanId = taken(attributes, spanNames)
  if (spanId !== undefined) line.spanId = spanId
  parts.event(line, time === undefined ? times.fallback : readTimestamp(time.value, times.reference))
}

const textOf = (value: unknown): string =>
  (typeof value === 'object' ? jsonOf(value) : String(value)).replace(/\r?\n$/, '')

/** Elastic Common Schema nests it. */
function nestedLevel(object: Fields): { name: string; value: unknown } | undefined {
  const value = field(field(object, 'log'), 'level')
  return value === undefined ? undefined : { name: '', value }
}

/** Numbers are pino's tens (bunyan's too) from 10 on; below, syslog's 0-7 (GELF, journald). */
function severityOf(name: string, value: unknown): number {
  const number = asNumber(value)
  if (number === undefined) return typeof value === 'string' ? readLevel(value) : 0
  if (number >= 10) return [1, 5, 9, 13, 17, 21][Math.min(Math.floor(number / 10), 6) - 1] ?? 0
  return name === 'PRIORITY' || Number.isInteger(number) ? syslogSeverity(number) : 0
}

const deepest = 8

function flatten(object: Fields, without: ReadonlySet<string | undefined>): Labels {
  const labels: Labels = {}
  const add = (of: Fields, prefix: string, depth: number): void => {
    for (const [name, value] of Object.entries(of)) {
      const path = prefix + name
      if (without.has(path) || value === null || value === undefined || path === '__proto__') continue
      if (isFields(value) && depth < deepest) add(value, `${path}.`, depth + 1)
      else labels[path] = typeof value === 'object' ? jsonOf(value) : String(value)
    }
  }
  add(object, '', 0)
  return labels
}

/** What tells the place, under OpenTelemetry's names. */
function identityOf(attributes: Readonly<Labels>): Labels {
  const identity: Labels = {}
  const take = (to: string, names: readonly string[]): void => {
    const name = names.find(each => attributes[each])
    if (name !== undefined) identity[to] = attributes[name]!
  }
  take('service.name', serviceNames)
  take('service.namespace', ['service.namespace'])
  take('k8s.pod.name', ['k8s.pod.name', 'kubernetes.pod_name', 'kubernetes.pod.name'])
  take('host.name', hostNames)
  take('app', ['logger'])
  take('deployment.environment.name', environmentNames)
  return identity
}

function taken(attributes: Labels, names: readonly string[]): string | undefined {
  const name = names.find(each => attributes[each])
  if (name === undefined) return undefined
  const value = attributes[name]
  delete attributes[name]
  return value
}
