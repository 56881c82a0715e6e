import { channel } from 'node:diagnostics_channel'

/** A checkpoint that was written; published on the diagnostics channel `ops-agent:checkpoint`. */
export interface CheckpointReport {
  readonly pipeline: string
  readonly topic: string
  readonly partition: number
  /** Names written, those that are gone among them, and the characters of their JSON texts. */
  readonly entries: number
  readonly bytes: number
  /** Whether it is the whole state, and not what has changed since the one before. */
  readonly full: boolean
  /** Milliseconds it took, its rows not counted. */
  readonly took: number
  /** Wall clock when it was durable, in milliseconds since 1970. */
  readonly at: number
}

export const checkpointed = channel('ops-agent:checkpoint')
