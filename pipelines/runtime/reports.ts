import { channel } from 'node:diagnostics_channel'
import type { Emitted } from './engine.ts'
import type { BatchFates } from './partition.ts'

// What runners tell of themselves, to whoever listens: nothing here changes what they do.

/** What a batch was and did; published on the diagnostics channel `ops-agent:batch`. */
export interface BatchReport {
  readonly pipeline: string
  readonly topic: string
  readonly partition: number
  readonly fates: BatchFates
  /** Reasons of the dead, counted. */
  readonly dead: Readonly<Record<string, number>>
  readonly outputs: number
  /** Records behind the end of the partition after this batch. */
  readonly lag: number
  /** The input's watermark, or null. */
  readonly watermark: number | null
  /** Milliseconds the batch took, delivery included. */
  readonly took: number
}

export const batches = channel('ops-agent:batch')

/** What a stretch of input caused, before it is delivered; published on `ops-agent:emission`. */
export interface EmissionReport {
  readonly pipeline: string
  readonly emitted: Emitted
}
export const emissions = channel('ops-agent:emission')

/** A partition is no longer worked on here; published on `ops-agent:revocation`. */
export interface RevocationReport {
  readonly pipeline: string
  readonly topic: string
  readonly partition: number
}
export const revocations = channel('ops-agent:revocation')
