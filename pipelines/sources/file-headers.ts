import { basename, dirname } from 'node:path'
import type { EventTime } from '../../operators/operator.ts'
import { entryHeaders } from '../decode/decoded.ts'
import { FileError } from './file-error.ts'

/** What is told of a file. */
export interface FileFacts {
  readonly path: string
  readonly kind: 'logs' | 'metrics'
  /** Years missing in lines are counted back from here. */
  readonly reference: EventTime
  readonly service: string | undefined
  readonly environment: string | undefined
}

/**
 * Headers of every record of a file, as its readers need them. The service, where none is given, is the base name of a
 * log file, and the folder of a metrics file, whose base name is the metric.
 * @throws {FileError} naming the file, if metrics are of no known form
 */
export function fileHeaders(facts: FileFacts, stream: string): Record<string, string> {
  const { path, kind, reference, service, environment } = facts
  const plain = path.replace(/\.gz$/, '')
  const base = basename(plain).replace(/(?<=.)\.[^.]+$/, '')
  const folder = basename(dirname(path))
  const headers: Record<string, string> = {
    [entryHeaders.contentType]: kind === 'logs' ? 'text/plain' : contentTypeOf(plain),
    [entryHeaders.origin]: stream,
    [entryHeaders.reference]: String(reference),
    [entryHeaders.historical]: '1',
  }
  const of = service ?? (kind === 'logs' ? base : folder)
  if (of !== '' && of !== '.' && of !== '..') headers[entryHeaders.service] = of
  if (environment !== undefined) headers[entryHeaders.environment] = environment
  if (kind === 'metrics') headers[entryHeaders.metric] = base
  return headers
}

function contentTypeOf(path: string): string {
  if (path.endsWith('.csv')) return 'text/csv'
  if (/\.(jsonl|ndjson|json)$/.test(path)) return 'application/x-ndjson'
  throw new FileError(`metrics file '${path}': neither .csv nor .jsonl; rename it, or correct the pattern`)
}
