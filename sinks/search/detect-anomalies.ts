import { z } from 'zod'
import { ask } from '../query.ts'
import { cursorOf } from '../route.ts'
import type { Store } from '../store.ts'
import { LogAnomaly, logAnomalies } from './log-queries.ts'
import type { Place } from './scope.ts'

/** Lines that are looked at as they are handed in. */
export const HandedLines = z.strictObject({
  lines: z
    .array(z.string())
    .min(1)
    .max(200_000)
    .describe('Log lines as they were written, each with its time, plain or JSON; in any order.'),
  environment: z.string().min(1).optional().describe('Of lines that name none.'),
  service: z.string().min(1).optional().describe('Of lines that name none.'),
})
export type HandedLines = z.output<typeof HandedLines>

/** A stretch of what is kept. */
export interface StoredLogs extends Place {
  /** Milliseconds since 1970, `to` not included. */
  readonly from: number
  readonly to: number
  /** Only of this pattern. */
  readonly pattern?: string | undefined
  readonly limit: number
  readonly cursor?: { readonly number: number; readonly id: string } | undefined
}

export const DetectedAnomalies = z.strictObject({
  anomalies: z.array(LogAnomaly),
  lines: z.int().describe('Lines that were read.'),
  unread: z.int().describe('Lines that could not be read.'),
  patterns: z.int().describe('Different patterns among them.'),
  windows: z.int().describe('Windows with a line.'),
  warmup: z.int().describe('Windows it takes before a burst can be told.'),
})
export type DetectedAnomalies = z.output<typeof DetectedAnomalies>

export interface StoredAnomalies {
  /** Newest first. */
  readonly anomalies: readonly LogAnomaly[]
  /** Cursor of the next page; null: this is the last. */
  readonly next: string | null
}

/** Runs lines through the operators that everything else passes, and keeps nothing. */
export type Detect = (lines: HandedLines) => Promise<DetectedAnomalies>

/**
 * What is unusual about log lines: new errors and bursts of a pattern. Of what is kept it is read as it was detected
 * when the lines came; lines that are handed in pass the same operators, in memory, and nothing of them is kept.
 * @throws {SinkError} if the store does not answer
 */
export async function detectAnomalies(logs: StoredLogs, by: Store): Promise<StoredAnomalies>
export async function detectAnomalies(logs: HandedLines, by: Detect): Promise<DetectedAnomalies>
export async function detectAnomalies(
  logs: StoredLogs | HandedLines,
  by: Store | Detect,
): Promise<StoredAnomalies | DetectedAnomalies> {
  if (typeof by === 'function') return by(logs as HandedLines)
  const stored = logs as StoredLogs
  // One more than asked for tells whether there is a next page.
  const found = await ask(by, logAnomalies, { ...stored, limit: stored.limit + 1 })
  const anomalies = found.slice(0, stored.limit)
  const last = anomalies.at(-1)
  return { anomalies, next: last && found.length > stored.limit ? cursorOf(last.end, last.id) : null }
}
