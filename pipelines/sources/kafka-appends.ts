import { SinkError } from '../../sinks/store.ts'
import type { NewRecord } from './log.ts'

const CHUNK_RECORDS = 2_000
/** Below the brokers' default limit of a batch, 1,048,588 bytes. */
const CHUNK_BYTES = 900_000
/** Brokers cut the connection of a request beyond 100 MiB instead of answering it. */
const RECORD_BYTES = 64 * 1024 * 1024

/** Sends records of one partition as one batch. A retryable SinkError leaves open whether they were written. */
export type Send = (records: readonly NewRecord[]) => Promise<void>

interface Call {
  left: number
  readonly written: NewRecord[]
  failure: SinkError | undefined
  readonly onWritten: (record: NewRecord) => void
  readonly resolve: () => void
  readonly reject: (error: SinkError) => void
}

interface Entry {
  readonly record: NewRecord
  readonly call: Call
}

/** About what a record takes in a batch. */
export function recordBytes({ key, value, headers = {} }: NewRecord): number {
  let bytes = 32 + (key === null ? 0 : Buffer.byteLength(key)) + (value === null ? 0 : Buffer.byteLength(value))
  for (const [name, text] of Object.entries(headers)) bytes += 8 + Buffer.byteLength(name) + Buffer.byteLength(text)
  return bytes
}

/**
 * The appends to one partition, one batch after the other, many appends in one batch.
 *
 * A broker tells a batch sent twice by the producer's sequence numbers, and kafkajs gives the numbers of a batch that
 * failed to the next one. If that were another batch, the broker could take it for the first and drop it. So a batch of
 * which it is not known whether it was written is sent again, as it was, before anything else; when its append is made
 * again, with the same record objects, they are found to be written.
 */
export class PartitionAppends {
  readonly #send: Send
  #waiting: Entry[] = []
  #doubtful: Entry[] = []
  #running = false

  constructor(send: Send) {
    this.#send = send
  }

  /** `onWritten` is called for each record that is written although this rejects, perhaps later. */
  append(records: readonly NewRecord[], onWritten: (record: NewRecord) => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const call: Call = { left: records.length, written: [], failure: undefined, onWritten, resolve, reject }
    for (const record of records) this.#waiting.push({ record, call })
    if (records.length === 0) resolve()
    if (!this.#running) void this.#run()
    return promise
  }

  async #run(): Promise<void> {
    this.#running = true
    await Promise.resolve() // so that appends made at once share the first batch
    while (this.#waiting.length > 0) {
      if (this.#doubtful.length > 0 && !(await this.#settle())) continue
      const chunk = this.#take()
      if (chunk.length > 0) await this.#write(chunk)
    }
    this.#running = false
  }

  /** The next records to be sent, taken from those that wait. */
  #take(): Entry[] {
    let bytes = 0
    let count = 0
    for (const { record } of this.#waiting) {
      bytes += recordBytes(record)
      if (count > 0 && (bytes > CHUNK_BYTES || count === CHUNK_RECORDS)) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  /**
   * Writes the entries; where the broker rejects them, in halves, so that only what it must is left out. Answers the
   * error that leaves it open what was written; all that waited has then failed with it.
   */
  async #write(entries: readonly Entry[]): Promise<SinkError | undefined> {
    const error = await this.#try(entries)
    if (!error) {
      for (const { record, call } of entries) this.#done(call, record)
      return undefined
    }
    if (error.retryable) {
      this.#doubtful = [...entries]
      this.#fail([...entries, ...this.#waiting.splice(0)], error)
      return error
    }
    if (error.reason !== 'rejected' || entries.length === 1) {
      this.#fail(entries, error)
      return undefined
    }
    const middle = entries.length >> 1
    const doubt = await this.#write(entries.slice(0, middle))
    if (!doubt) return await this.#write(entries.slice(middle))
    this.#fail(entries.slice(middle), doubt)
    return doubt
  }

  /** Sends the doubtful batch again. False: still in doubt, and all that waited was failed. */
  async #settle(): Promise<boolean> {
    const entries = this.#doubtful
    const error = await this.#try(entries)
    if (error?.retryable) {
      this.#fail(this.#waiting.splice(0), error)
      return false
    }
    this.#doubtful = []
    if (error) return true // it was not written, then or now
    for (const { record, call } of entries) {
      const again = this.#waiting.findIndex(waiting => waiting.record === record)
      if (again < 0) call.onWritten(record)
      else for (const { call } of this.#waiting.splice(again, 1)) this.#done(call, record)
    }
    return true
  }

  async #try(entries: readonly Entry[]): Promise<SinkError | undefined> {
    try {
      const large = entries.length === 1 ? recordBytes(entries[0]!.record) : 0
      if (large > RECORD_BYTES)
        return new SinkError(
          'kafka',
          'rejected',
          `a record of ${large} bytes; no broker takes more than ${RECORD_BYTES}`,
        )
      await this.#send(entries.map(({ record }) => record))
      return undefined
    } catch (error) {
      return error instanceof SinkError ? error : new SinkError('kafka', 'rejected', String(error), { cause: error })
    }
  }

  #done(call: Call, record: NewRecord): void {
    call.written.push(record)
    this.#rest(call)
  }

  #fail(entries: readonly Entry[], error: SinkError): void {
    for (const { call } of entries) {
      call.failure ??= error
      this.#rest(call)
    }
  }

  /** One record of the call has come to rest; with the last, the call has. */
  #rest(call: Call): void {
    if (--call.left > 0) return
    if (call.failure) {
      for (const record of call.written) call.onWritten(record)
      call.reject(call.failure)
    } else call.resolve()
  }
}
