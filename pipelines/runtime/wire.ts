import { z } from 'zod'
import type { Event, Origin } from '../../operators/operator.ts'
import type { LogRecord, NewRecord } from '../sources/log.ts'
import type { Output } from './engine.ts'

/** Version of the records we write to our own topics. Readers take this one and the one before. */
export const WIRE_VERSION = 1

const Headers = z.object({
  'ops-v': z.coerce
    .number()
    .int()
    .min(Math.max(1, WIRE_VERSION - 1))
    .max(WIRE_VERSION),
  'ops-time': z.coerce.number(),
  'ops-origin': z.string().min(1),
  'ops-offset': z.coerce.number().int(),
  'ops-index': z.coerce.number().int(),
  'ops-producer': z.string().min(1),
  'ops-sequence': z.coerce.number().int(),
  'ops-part': z.coerce.number().int().default(0),
  'ops-late': z.literal('1').optional(),
})

/** A record of one event, with the identity it was given at entry. */
export function encodeEvent(output: Extract<Output, { kind: 'event' }>): NewRecord {
  const { topic, key, partitionKey, step, event, from, late } = output
  const stream = step === '' ? event.origin.stream : `${step}|${event.origin.stream}`
  return {
    topic,
    key,
    partitionKey,
    value: JSON.stringify(event.value),
    headers: {
      'ops-kind': 'event',
      'ops-v': String(WIRE_VERSION),
      'ops-time': String(event.time),
      'ops-origin': stream,
      'ops-offset': String(event.origin.offset),
      'ops-index': String(event.origin.index),
      'ops-producer': from.stream,
      'ops-sequence': String(from.offset),
      ...(from.index === 0 ? {} : { 'ops-part': String(from.index) }),
      ...(late ? { 'ops-late': '1' } : {}),
    },
  }
}

/** An event as `encodeEvent` wrote it, or why it cannot be read. */
export function decodeEvent(
  record: LogRecord,
  schema: z.ZodType,
): { event: Event<unknown>; late: boolean; from: Origin } | { reason: 'wrong-type' | 'invalid-json'; detail: string } {
  const headers = Headers.safeParse(record.headers)
  if (!headers.success) return { reason: 'wrong-type', detail: `headers: ${z.prettifyError(headers.error)}` }
  let json: unknown
  try {
    json = JSON.parse(record.value?.toString('utf8') ?? '')
  } catch (error) {
    return { reason: 'invalid-json', detail: (error as Error).message }
  }
  const value = schema.safeParse(json)
  if (!value.success) return { reason: 'wrong-type', detail: z.prettifyError(value.error) }
  const { data } = headers
  const origin = { stream: data['ops-origin'], offset: data['ops-offset'], index: data['ops-index'] }
  const event = { key: record.key ?? '', time: data['ops-time'], origin, value: value.data }
  const from = { stream: data['ops-producer'], offset: data['ops-sequence'], index: data['ops-part'] }
  return { event, late: data['ops-late'] === '1', from }
}
