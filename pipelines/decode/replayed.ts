import { z } from 'zod'
import type { LogRecord } from '../sources/log.ts'

/** Headers of a dead letter that is sent in again: what it was, so that its events are who they would have been. */
export const replayHeaders = {
  /** `topic/partition/offset` of the record as it first came. */
  of: 'ops-replay-of',
  /** When the log took it then, milliseconds since 1970. */
  appended: 'ops-replay-appended',
  /** Which of its parts are meant, by index; absent: all. The others were used when it first came. */
  parts: 'ops-replay-parts',
} as const

const Headers = z.object({
  [replayHeaders.of]: z.string().regex(/^[^/]+\/\d+\/\d+$/),
  [replayHeaders.appended]: z.coerce.number().int().nonnegative(),
  [replayHeaders.parts]: z
    .string()
    .regex(/^\d+(,\d+)*$/)
    .optional(),
})

export interface Replayed {
  /** The record as it was when it first came. */
  readonly record: LogRecord
  /** The parts of it that are meant; undefined: all. */
  readonly parts: ReadonlySet<number> | undefined
}

/** What a record is that was sent in again; undefined if it was not. */
export function replayed(record: LogRecord): Replayed | undefined {
  if (record.headers[replayHeaders.of] === undefined) return undefined
  const { success, data } = Headers.safeParse(record.headers)
  if (!success) return undefined
  const [topic, partition, offset] = data[replayHeaders.of].split('/') as [string, string, string]
  const parts = data[replayHeaders.parts]
  return {
    record: {
      ...record,
      topic,
      partition: Number(partition),
      offset: Number(offset),
      appendedAt: data[replayHeaders.appended],
    },
    parts: parts === undefined ? undefined : new Set(parts.split(',').map(Number)),
  }
}
