/** A record, or a part of one, that could not be read: where it is, why it is here, and what it was. */
export interface DeadLetter {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Position of the part in the record; 0 if it is the whole record. */
  readonly index: number
  /** From the closed list of the decoder. */
  readonly reason: string
  /** A sentence for people. */
  readonly detail: string
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
  /** When the log took the record, milliseconds since 1970 by the log's clock. */
  readonly appendedAt: number
}
