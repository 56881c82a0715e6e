import { deadLetterRow } from '../../sinks/rows.ts'
import type { Row } from '../../sinks/store.ts'
import type { LogRecord, NewRecord } from '../sources/log.ts'
import type { Dead } from './partition.ts'

/**
 * For `dead_letters`: a row per part, in order. The first of a record's says what the record was; a record of a hundred
 * thousand wrong lines would otherwise be written a hundred thousand times.
 */
export function deadRows(dead: readonly Dead[]): Row[] {
  return dead.map(({ record, index, reason, detail }, at) => {
    const { topic, partition, offset, value, headers, appendedAt } = record
    const letter = { topic, partition, offset, index, reason, detail, value, headers, appendedAt }
    if (dead[at - 1]?.record !== record) return deadLetterRow(letter)
    return { ...deadLetterRow({ ...letter, value: null, headers: {} }), value_bytes: value?.length ?? null }
  })
}

/** Kafka takes 1,048,588 bytes a batch by default: what was just small enough must fit with what is said of it. */
const LONGEST = 1_000_000
const MOST_PARTS = 100

/**
 * One record of `<topic>.dead` per record with dead parts: what it was, as far as a record holds it, where it was, and
 * why it is here.
 */
export function deadRecords(dead: readonly Dead[]): NewRecord[] {
  return [...Map.groupBy(dead, ({ record }) => record)].map(([record, parts]) => deadRecord(record, parts))
}

function deadRecord({ topic, partition, offset, key, value, headers }: LogRecord, parts: readonly Dead[]): NewRecord {
  const said = {
    ...headers,
    'ops-dead-reason': parts[0]!.reason,
    'ops-dead-parts': JSON.stringify(
      parts.slice(0, MOST_PARTS).map(({ index, reason, detail }) => ({ index, reason, detail })),
    ),
    'ops-dead-at': `${topic}/${partition}/${offset}`,
    ...(parts[0]!.used === undefined ? {} : { 'ops-dead-used': String(parts[0]!.used) }),
  }
  const room = Math.max(0, LONGEST - bytesOf({ '': key ?? '', ...said }))
  const cut = value !== null && value.length > room
  return {
    topic: `${topic}.dead`,
    key,
    value: cut ? value.subarray(0, room) : value,
    headers: cut ? { ...said, 'ops-dead-bytes': String(value.length) } : said,
  }
}

function bytesOf(texts: Readonly<Record<string, string>>): number {
  let bytes = 0
  for (const [name, text] of Object.entries(texts)) bytes += 8 + Buffer.byteLength(name) + Buffer.byteLength(text)
  return bytes
}
