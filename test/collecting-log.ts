import type { Log, LogRecord, NewRecord } from '../pipelines/sources/log.ts'

/** What an appender needs of a log, kept in memory; `fail` is thrown by appends while it is set. */
export class CollectingLog {
  readonly records: LogRecord[] = []
  readonly batches: number[] = []
  fail: Error | undefined
  #now: number

  constructor(now: number) {
    this.#now = now
  }

  get log(): Log {
    return this as unknown as Log
  }

  append(records: readonly NewRecord[]): Promise<void> {
    if (this.fail) return Promise.reject(this.fail)
    this.batches.push(records.length)
    for (const { topic, key, value, headers = {}, partition = 0 } of records)
      this.records.push({
        topic,
        partition,
        offset: this.records.length,
        appendedAt: this.#now,
        key,
        value: value === null ? null : Buffer.from(value as string),
        headers,
      })
    return Promise.resolve()
  }

  async *all(): AsyncGenerator<LogRecord> {
    yield* this.records
  }
}
