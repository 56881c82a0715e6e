/**
 * A record, or a part of one, that could not be read, or an event that a step could not do with: where it is, why it is
 * here, and what it was.
 */
export interface DeadLetter {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Position of the part in the record; 0 if it is the whole record. */
  readonly index: number
  /** From the closed list of the decoder, or `step-failed`. */
  readonly reason: string
  /** A sentence for people. */
  readonly detail: string
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
  /** When the log took the record, milliseconds since 1970 by the log's clock. */
  readonly appendedAt: number
  /** Of an event: the step that could not do with it, `pipeline.step`, and the stream its offset belongs to. */
  readonly step?: string
  readonly originStream?: string
}
