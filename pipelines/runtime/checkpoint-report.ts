import { channel } from 'node:diagnostics_channel'

/** What a save of a partition's state was; published on the diagnostics channel `ops-agent:checkpoint`. */
export interface CheckpointReport {
  readonly pipeline: string
  readonly topic: string
  readonly partition: number
  /** Names written, those that are gone included. */
  readonly entries: number
  /** Characters of JSON written. */
  readonly bytes: number
  /** The whole state, not just what had changed. */
  readonly full: boolean
  /** Milliseconds from its beginning until it was durable. */
  readonly took: number
  /** When it was durable, by the wall clock. */
  readonly at: number
}

export const checkpointReports = channel('ops-agent:checkpoint')
