import { readLevel, readSeverity } from '../../operators/severity.ts'
import type { LogLine } from '../../operators/signal.ts'
import { type Parts, Unreadable } from './decoded.ts'
import { addAttributes, type Scope, scopesOf, textOfAny } from './otlp.ts'
import { instanceLabels, type Labels, type Place } from './place.ts'
import { asNumber, type Fields, field, isFields, kindOf, nanosecondsField, textField } from './values.ts'

/**
 * Reads an ExportLogsServiceRequest. Time: `timeUnixNano`, else `observedTimeUnixNano`, else when the record was
 * appended. Attributes: the record's, the scope's name, the resource's version, and what tells instances apart.
 * @param entryOf turns an element of `logRecords` into a log record, where it is not one already
 */
export function readOtlpLogs(request: unknown, parts: Parts, entryOf: (entry: unknown) => unknown = same): void {
  const names = ['resourceLogs', 'scopeLogs', 'logRecords'] as const
  for (const scope of scopesOf(request, names, error => parts.dead(error.reason, error.message))) {
    const place = parts.placeOf(scope.resource)
    const shared = sharedAttributes(scope)
    for (const entry of scope.entries) parts.attempt(() => readLogRecord(entryOf(entry), place, shared, parts))
  }
}

const same = (entry: unknown): unknown => entry

function sharedAttributes({ resource, scope }: Scope): Labels {
  const labels = instanceLabels(resource)
  if (resource['service.version']) labels['service.version'] = resource['service.version']
  if (scope) labels['otel.scope.name'] = scope
  return labels
}

function readLogRecord(entry: unknown, place: Place, shared: Labels, parts: Parts): void {
  if (!isFields(entry)) throw new Unreadable('wrong-type', `a log record is ${kindOf(entry)}, not an object`)
  const attributes = addAttributes({ ...shared }, entry)
  const body =
    textOfAny(field(entry, 'body')) || textField(entry, 'eventName') || (attributes['exception.message'] ?? '')
  const time = nanosecondsField(entry, 'timeUnixNano') ?? nanosecondsField(entry, 'observedTimeUnixNano')
  const line: LogLine = { type: 'log', ...place, severity: severityOf(entry, body), body, attributes }
  const traceId = identifier(field(entry, 'traceId'), 16)
  if (traceId !== undefined) line.traceId = traceId
  const spanId = identifier(field(entry, 'spanId'), 8)
  if (spanId !== undefined) line.spanId = spanId
  parts.event(line, time ?? parts.record.appendedAt)
}

/** The number if there is one, else the word, else what the text itself says. */
function severityOf(entry: Fields, body: string): number {
  const number = asNumber(field(entry, 'severityNumber'))
  if (number !== undefined && Number.isInteger(number) && number >= 1 && number <= 24) return number
  return readLevel(textField(entry, 'severityText')) || readSeverity(body)
}

/** Trace and span ids are bytes in protobuf and hex in JSON; one that is neither, or all zero, is no id. */
function identifier(value: unknown, bytes: number): string | undefined {
  const hex =
    value instanceof Uint8Array
      ? Buffer.from(value).toString('hex')
      : typeof value === 'string'
        ? value.toLowerCase()
        : ''
  return hex.length === 2 * bytes && /^[0-9a-f]+$/.test(hex) && /[^0]/.test(hex) ? hex : undefined
}
