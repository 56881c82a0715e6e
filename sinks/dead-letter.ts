/** A part of a record that could not be read or worked on, with its coordinates. */
export interface DeadLetter {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Position of the part in the record. */
  readonly index: number
  readonly reason: string
  readonly detail: string
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds since 1970, by the log's clock. */
  readonly appendedAt: number
}
