import type { Event } from '../../operators/operator.ts'
import { deadLetterRow } from '../../sinks/rows.ts'
import type { Row } from '../../sinks/store.ts'
import type { LogRecord, NewRecord } from '../sources/log.ts'
import type { Dead } from './partition.ts'
import { encodeEvent } from './wire.ts'

/** An event that a step, or what reads it, failed on for good. */
export interface FailedEvent {
  readonly topic: string
  readonly partition: number
  /** `pipeline.step` */
  readonly step: string
  readonly event: Event<unknown>
  readonly error: Error
}

/** For `dead_letters`: what happened to the event, with the stack. Its time stands for when the log took it. */
export function failedRow({ topic, partition, step, event, error }: FailedEvent): Row {
  const { offset, index, stream } = event.origin
  const { value, headers } = encoded(topic, event)
  return deadLetterRow({
    ...{ topic, partition, offset, index, step, originStream: stream, reason: 'step-failed', detail: stackOf(error) },
    ...{ value, headers, appendedAt: event.time },
  })
}

/** For `<topic>.dead`: the event as a record of its topic, less what makes it one of a producer's. */
export function failedRecord({ topic, partition, step, event, error }: FailedEvent): NewRecord {
  const { offset, index } = event.origin
  const { value, headers } = encoded(topic, event)
  const parts = [{ index, reason: 'step-failed', detail: stackOf(error) }]
  return fitting({
    topic: `${topic}.dead`,
    key: event.key,
    value,
    headers: {
      ...headers,
      'ops-dead-reason': 'step-failed',
      'ops-dead-step': step,
      'ops-dead-parts': JSON.stringify(parts),
      'ops-dead-at': `${topic}/${partition}/${offset}`,
    },
  })
}

function encoded(topic: string, event: Event<unknown>): { value: Buffer; headers: Readonly<Record<string, string>> } {
  const from = event.origin
  const record = encodeEvent({
    kind: 'event',
    topic,
    key: event.key,
    partitionKey: '',
    step: '',
    event,
    from,
    late: false,
  })
  return { value: Buffer.from(record.value ?? ''), headers: record.headers ?? {} }
}

const stackOf = (error: Error): string => {
  const cause = error.cause instanceof Error ? error.cause : error
  return `${error.message}\n${cause.stack ?? ''}`.slice(0, LONGEST_STACK)
}

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
const LONGEST_STACK = 10_000

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
  return fitting({ topic: `${topic}.dead`, key, value, headers: said })
}

/** The record, its value cut to what a broker takes. */
function fitting(record: NewRecord & { value: Buffer | null; headers: Readonly<Record<string, string>> }): NewRecord {
  const { key, value, headers } = record
  const room = Math.max(0, LONGEST - bytesOf({ '': key ?? '', ...headers }))
  if (value === null || value.length <= room) return record
  return { ...record, value: value.subarray(0, room), headers: { ...headers, 'ops-dead-bytes': String(value.length) } }
}

function bytesOf(texts: Readonly<Record<string, string>>): number {
  let bytes = 0
  for (const [name, text] of Object.entries(texts)) bytes += 8 + Buffer.byteLength(name) + Buffer.byteLength(text)
  return bytes
}
