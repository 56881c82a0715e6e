import { channel } from 'node:diagnostics_channel'
import type { Emitted } from './engine.ts'

// What runners tell of themselves beside their batches, to whoever listens: nothing here changes what they do.

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
