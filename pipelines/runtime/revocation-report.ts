import { channel } from 'node:diagnostics_channel'

/** A partition is no longer worked on here; published on the diagnostics channel `ops-agent:revocation`. */
export interface RevocationReport {
  readonly pipeline: string
  readonly topic: string
  readonly partition: number
}

export const revocations = channel('ops-agent:revocation')
