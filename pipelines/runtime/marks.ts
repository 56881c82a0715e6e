import { z } from 'zod'
import type { Mark } from '../../operators/watermark.ts'
import type { LogRecord } from '../sources/log.ts'
import { WIRE_VERSION } from './wire.ts'

// Watermark marks as records: they lie in a topic behind the events they speak of.

const MarkValue = z.object({
  stream: z.string().min(1),
  time: z.number().nullable(),
  idle: z.boolean(),
  siblings: z.array(z.string()),
})

/** A mark's value and headers; topic, partition and key are its sender's matter. */
export function encodeMark(mark: Mark): { value: string; headers: Record<string, string> } {
  const { stream, time, idle, siblings } = mark
  return {
    value: JSON.stringify({ stream, time, idle, siblings }),
    headers: { 'ops-kind': 'mark', 'ops-v': String(WIRE_VERSION) },
  }
}

/** Whether a record says that it is a mark. */
export const isMark = (record: LogRecord): boolean => record.headers['ops-kind'] === 'mark'

/** A mark as `encodeMark` wrote it, or why it cannot be read. */
export function decodeMark(
  record: LogRecord,
): { mark: Mark } | { reason: 'wrong-type' | 'invalid-json'; detail: string } {
  let json: unknown
  try {
    json = JSON.parse(record.value?.toString('utf8') ?? '')
  } catch (error) {
    return { reason: 'invalid-json', detail: `mark: ${(error as Error).message}` }
  }
  const parsed = MarkValue.safeParse(json)
  return parsed.success
    ? { mark: parsed.data }
    : { reason: 'wrong-type', detail: `mark: ${z.prettifyError(parsed.error)}` }
}
