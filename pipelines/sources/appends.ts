import type { NewRecord } from './log.ts'
import { Placement } from './placement.ts'

/** Writes records of one partition, in order. A record it has written although it rejects, it gives to `onWritten`. */
export type WritePartition = (
  topic: string,
  partition: number,
  records: readonly NewRecord[],
  onWritten: (record: NewRecord) => void,
) => Promise<void>

/** What is known of a record whose append was rejected. */
interface Remembered {
  readonly partition: number
  /** How many times it was written. */
  written: number
}

interface Part {
  readonly topic: string
  readonly partition: number
  readonly records: NewRecord[]
}

/**
 * Splits appends by partition. An append can fail after some of its records were written; those are remembered, so that
 * appending the same record objects again writes only the others, to the partitions chosen at first.
 */
export class Appends {
  #placement = new Placement()
  #failed = new WeakMap<NewRecord, Remembered>()
  readonly #partitions: (topic: string) => number | Promise<number>
  readonly #write: WritePartition

  constructor(partitions: (topic: string) => number | Promise<number>, write: WritePartition) {
    this.#partitions = partitions
    this.#write = write
  }

  /** Resolves when all are written; rejects, with the first error, once every partition has come to rest. */
  async append(records: readonly NewRecord[]): Promise<void> {
    const { parts, written } = await this.#split(records)
    const outcomes = await Promise.allSettled(
      parts.map(({ topic, partition, records }) =>
        this.#write(topic, partition, records, record => this.#remember(record, partition, true)),
      ),
    )
    const failure = outcomes.find(outcome => outcome.status === 'rejected')
    if (!failure) return
    for (const remembered of written) remembered.written++
    for (const [at, outcome] of outcomes.entries())
      for (const record of parts[at]!.records)
        this.#remember(record, parts[at]!.partition, outcome.status === 'fulfilled')
    throw failure.reason
  }

  /** What is to be written, by partition, and what an earlier append of these records has written already. */
  async #split(records: readonly NewRecord[]): Promise<{ parts: Part[]; written: Remembered[] }> {
    const counts = new Map<string, number>()
    for (const { topic } of records) if (!counts.has(topic)) counts.set(topic, await this.#partitions(topic))
    const parts = new Map<string, Part>()
    const written: Remembered[] = []
    for (const record of records) {
      const remembered = this.#failed.get(record)
      if (remembered && remembered.written > 0) {
        remembered.written--
        written.push(remembered)
        continue
      }
      const { topic } = record
      const partition = remembered?.partition ?? this.#placement.place(record, counts.get(topic)!)
      const part = parts.get(`${topic}/${partition}`)
      if (part) part.records.push(record)
      else parts.set(`${topic}/${partition}`, { topic, partition, records: [record] })
    }
    return { parts: [...parts.values()], written }
  }

  #remember(record: NewRecord, partition: number, written: boolean): void {
    const remembered = this.#failed.get(record)
    if (remembered) remembered.written += written ? 1 : 0
    else this.#failed.set(record, { partition, written: written ? 1 : 0 })
  }
}
