import { z } from 'zod'
import { Control } from '../../operators/control.ts'
import type { NewRecord } from '../sources/log.ts'
import { topics } from '../topics.ts'

/** Raised when a control changes its shape; readers take this version and the one before. */
export const CONTROL_VERSION = 1

/** A control as a record of `ops.controls`; of an id the newest counts. */
export const encodeControl = (control: Control): NewRecord => ({
  topic: topics.controls,
  partition: 0,
  key: control.id,
  value: JSON.stringify(control),
  headers: { 'ops-v': String(CONTROL_VERSION) },
})

/** The record by which an id is forgotten. */
export const tombstone = (id: string): NewRecord => ({ topic: topics.controls, partition: 0, key: id, value: null })

type Headers = Readonly<Record<string, string>>

/** A control as `encodeControl` wrote it, or why it cannot be read. */
export function decodeControl(
  value: Buffer,
  headers: Headers,
): { control: Control } | { reason: 'wrong-type' | 'invalid-json'; detail: string } {
  const version = Number(headers['ops-v'] ?? CONTROL_VERSION)
  if (version !== CONTROL_VERSION && version !== CONTROL_VERSION - 1) {
    const detail = `control of version ${headers['ops-v']}: this ops-agent reads ${CONTROL_VERSION}; upgrade it`
    return { reason: 'wrong-type', detail }
  }
  let json: unknown
  try {
    json = JSON.parse(value.toString('utf8'))
  } catch (error) {
    return { reason: 'invalid-json', detail: `control: ${(error as Error).message}` }
  }
  const parsed = Control.safeParse(json)
  return parsed.success
    ? { control: parsed.data }
    : { reason: 'wrong-type', detail: `control: ${z.prettifyError(parsed.error)}` }
}
