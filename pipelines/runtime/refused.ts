import { createHash } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { deadLetterRow } from '../../sinks/rows.ts'
import { type Row, SinkError } from '../../sinks/store.ts'
import type { NewRecord } from '../sources/log.ts'

/** What a door will never take is counted here: `Refusal` on the diagnostics channel `ops-agent:refused`. */
export interface Refusal {
  readonly reason: 'row-rejected' | 'record-rejected'
  readonly count: number
}

export const refusals = channel('ops-agent:refused')

/** A part that was refused for good, and the sentence it was refused with. */
export interface Refused<T> {
  readonly part: T
  readonly why: string
}

/**
 * Gives all parts to `write`, and where it rejects them, halves of them, until what is left out is only what is refused
 * by itself. Whatever else goes wrong is thrown; giving the same parts again must be harmless.
 */
export async function writeWhatIsTaken<T>(
  parts: readonly T[],
  write: (parts: readonly T[]) => Promise<void>,
): Promise<Refused<T>[]> {
  try {
    await write(parts)
    return []
  } catch (error) {
    if (!(error instanceof SinkError) || error.reason !== 'rejected') throw error
    if (parts.length === 1) return [{ part: parts[0]!, why: error.message }]
    const middle = parts.length >> 1
    const refused = await writeWhatIsTaken(parts.slice(0, middle), write)
    return [...refused, ...(await writeWhatIsTaken(parts.slice(middle), write))]
  }
}

/** For `dead_letters`. A row has no place in a topic: in its stead stands a hash of what it says. */
export function refusedRow(table: string, { part, why }: Refused<Row>, now: number): Row {
  const json = JSON.stringify(part)
  const { time = part.start ?? part.at ?? part.updated_at } = part
  return deadLetterRow({
    topic: `table:${table}`,
    ...placeOf(json),
    reason: 'row-rejected',
    detail: why,
    value: Buffer.from(json),
    headers: {},
    appendedAt: typeof time === 'number' ? time : now,
  })
}

/** The same for a record that a topic does not take. */
export function refusedRecord({ part, why }: Refused<NewRecord>, now: number): Row {
  const { topic, key, value, headers = {} } = part
  return deadLetterRow({
    topic: `topic:${topic}`,
    ...placeOf(JSON.stringify([key, String(value), headers])),
    reason: 'record-rejected',
    detail: why,
    value: value === null ? null : Buffer.from(value),
    headers,
    appendedAt: Number(headers['ops-time'] ?? now),
  })
}

/** The same words are the same letter, however often they are written. */
function placeOf(text: string): { partition: number; offset: number; index: number } {
  const digest = createHash('sha256').update(text).digest()
  return { partition: 0, offset: digest.readUIntBE(0, 6), index: 0 }
}
