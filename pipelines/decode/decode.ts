import { isUtf8 } from 'node:buffer'
import type { LogRecord } from '../sources/log.ts'
import { readCsv } from './csv.ts'
import { type DecodeContext, type Decoded, Parts, Unreadable } from './decoded.ts'
import { parseJson, readJson } from './json.ts'
import { readJsonLines, readLines } from './lines.ts'
import { readProtobuf, shapeOf } from './protobuf.ts'

/**
 * Reads whatever a record holds: OTLP protobuf or JSON, plain JSON logs and metrics, prometheus-kafka-adapter, CSV, lines
 * of text. The header `content-type` says which; without it the bytes do. Deterministic, and never throws: every part of
 * the record is an event, dead with a reason, or dropped, and one wrong part does not take the others along.
 *
 * Events of a record appended from a file have the file as origin and the line's byte offset as position; others have
 * `topic:<topic>/<partition>`, the record's offset, and their index in the record.
 * @param only indexes of the parts that are meant, where the others have been dealt with before
 */
export function decode(record: LogRecord, context: DecodeContext, only?: ReadonlySet<number>): Decoded {
  const parts = new Parts(record, context, only)
  try {
    const { value } = record
    if (value !== null && value.length > 0) read(value, parts)
  } catch (error) {
    if (error instanceof Unreadable) parts.dead(error.reason, error.message)
    // A fault of ours in one record must not stop the records behind it.
    else parts.dead('undecodable', `internal error: ${error instanceof Error ? error.message : String(error)}`)
  }
  return parts.end()
}

function read(value: Buffer, parts: Parts): void {
  const type = parts.header('contentType')?.split(';')[0]?.trim().toLowerCase() ?? ''
  const reader = readers.get(type) ?? sniff
  reader(value, parts)
}

type Reader = (value: Buffer, parts: Parts) => void

const timesOf = (parts: Parts) => ({ fallback: parts.record.appendedAt, reference: parts.record.appendedAt })

function readAsProtobuf(value: Buffer, parts: Parts): void {
  const shape = shapeOf(value, parts.record.topic)
  if (shape === 'empty') return
  if (shape === 'truncated' || shape === 'none') throw truncated(value, shape)
  readProtobuf(value, shape, parts)
}

function readAsJson(value: Buffer, parts: Parts): void {
  readJson(parseJson(value.toString('utf8')), parts, timesOf(parts))
}

const readers: ReadonlyMap<string, Reader> = new Map([
  ['application/x-protobuf', readAsProtobuf],
  ['application/protobuf', readAsProtobuf],
  ['application/json', readAsJson],
  ['application/x-ndjson', readJsonLines],
  ['application/jsonl', readJsonLines],
  ['text/csv', readCsv],
  ['text/plain', readLines],
])

const truncated = (value: Buffer, shape: 'truncated' | 'none'): Unreadable =>
  new Unreadable(
    'truncated-protobuf',
    shape === 'truncated'
      ? `the OTLP request goes on behind the record's ${value.length} bytes`
      : `the ${value.length} bytes are no OTLP request of logs, metrics or spans`,
  )

/**
 * OTLP's structure is checked first: its first byte is a line feed in text, and its second may be a brace. What only
 * begins like OTLP and would do as text is text.
 */
function sniff(value: Buffer, parts: Parts): void {
  const shape = value[0] === 0x0a ? shapeOf(value, parts.record.topic) : 'none'
  const vague = shape === 'empty' || shape === 'truncated'
  if (shape !== 'none' && !(vague && isPlainText(value))) {
    readAsProtobuf(value, parts)
    return
  }
  if (value[0] === 0 && value.length > 5) throw unknownSchema(value)
  if (!isUtf8(value))
    throw new Unreadable('undecodable', `the ${value.length} bytes are neither JSON, OTLP nor UTF-8 text`)
  readText(value, parts)
}

/** Framing of Confluent's schema registry: a zero byte, then the schema's id in four, big-endian. */
const unknownSchema = (value: Buffer): Unreadable =>
  new Unreadable('unknown-schema', `schema id ${value.readUInt32BE(1)} is not known; no schema registry is read yet`)

const isPlainText = (value: Buffer): boolean =>
  isUtf8(value) && !value.some(byte => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d && byte !== 0x1b)

const brace = 0x7b
const bracket = 0x5b

function readText(value: Buffer, parts: Parts): void {
  const start = value.findIndex(byte => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)
  if (value[start] === brace || value[start] === bracket) readJsonOrLines(value, parts)
  // A record of blanks says nothing; in a file it is so many lines.
  else if (start >= 0 || parts.header('origin') !== undefined) readLines(value, parts)
}

function readJsonOrLines(value: Buffer, parts: Parts): void {
  const text = value.toString('utf8')
  try {
    readJson(parseJson(text), parts, timesOf(parts))
  } catch (error) {
    if (!(error instanceof Unreadable) || error.reason !== 'invalid-json') throw error
    // `[Sun Dec 04 …] [error] …` is no broken JSON, and `{…}\n{…}` is JSON line by line.
    if (!/^\s*(\{\s*["}]|\[\s*[\]{"])/.test(text)) readLines(value, parts)
    else if (/\}\s*\n\s*\{/.test(text)) readJsonLines(value, parts)
    else throw error
  }
}
