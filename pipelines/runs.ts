import type { Clock } from '../operators/clock.ts'
import type { Event } from '../operators/operator.ts'
import type { RunReport } from '../operators/signal.ts'
import type { Executor } from '../runbooks/execute.ts'
import type { JournalRow, RunRow } from '../runbooks/journal.ts'
import type { ExecutorState } from '../runbooks/owned.ts'
import { decodeRecord, encodeRecord, type RunRecord } from '../runbooks/record.ts'
import type { CheckpointKey, Checkpoints } from '../sinks/checkpoints.ts'
import { deadLetterRow } from '../sinks/rows.ts'
import type { Delivery } from './runtime/delivery.ts'
import type { Batch, Log, LogRecord, Reader, Subscription } from './sources/log.ts'
import type { Logger } from './sources/logger.ts'
import { topics } from './topics.ts'

export interface RunsOptions {
  readonly group: string
  readonly log: Log
  readonly delivery: Delivery
  readonly checkpoints: Checkpoints
  readonly clock: Clock
  readonly logger: Logger
  readonly idleEvery: number
}

/** How the executor reaches the log and the store. */
export interface RunsDoors {
  append(record: RunRecord): Promise<void>
  report(event: Event<RunReport>): Promise<void>
  journal(rows: readonly JournalRow[]): Promise<void>
  runs(rows: readonly RunRow[]): Promise<void>
}

const STATE = 'executor'

/**
 * A report enters the stream when it is published, so that is its time: what happened to a run is heard of seconds later,
 * and would be late by the time it happened.
 */
export const runsDoors = (delivery: Delivery, clock: Clock): RunsDoors => ({
  append: record => delivery.append([{ topic: topics.runs, ...encodeRecord(record) }]),
  report: event =>
    delivery.publish([
      {
        kind: 'event',
        topic: topics.anomalies,
        key: event.key,
        partitionKey: event.key,
        step: '',
        event: { ...event, time: clock.now() },
        from: event.origin,
        late: false,
      },
    ]),
  journal: rows => delivery.write(new Map([['run_events', rows.map(row => ({ ...row }))]])),
  runs: rows => delivery.write(new Map([['runs', rows.map(row => ({ ...row }))]])),
})

/** Feeds the ledger of runs to the executor: partition by partition, in the order of offsets. */
export class RunsReader implements Reader {
  readonly #options: RunsOptions
  readonly #executor: Executor
  /** Ends of the partitions when they became ours: what lies before only informs. */
  readonly #liveFrom = new Map<number, number>()
  readonly #behind = new Set<number>()
  #subscription: Subscription | undefined

  constructor(executor: Executor, options: RunsOptions) {
    this.#executor = executor
    this.#options = options
  }

  async start(): Promise<void> {
    const { group, log, idleEvery } = this.#options
    this.#subscription = await log.subscribe({ group, topics: [topics.runs], start: 'earliest', idleEvery }, this)
  }

  get done(): Promise<void> {
    return this.#subscription?.done ?? Promise.resolve()
  }

  async close(): Promise<void> {
    await this.#subscription?.close()
    await this.#executor.close()
  }

  async assigned(_topic: string, partition: number): Promise<number> {
    const { checkpoints, delivery } = this.#options
    const saved = await checkpoints.load(this.#at(partition))
    const json = saved?.entries.get(STATE)
    this.#executor.assigned(partition, json === undefined ? undefined : (JSON.parse(json) as ExecutorState))
    const ends = await delivery.ends(topics.runs)
    this.#liveFrom.set(partition, ends[partition] ?? 0)
    this.#behind.add(partition)
    return saved?.next ?? 0
  }

  async batch(batch: Batch): Promise<void> {
    const { partition } = batch
    for (const record of batch.records) {
      await this.#observe(record, record.offset >= (this.#liveFrom.get(partition) ?? 0))
      await batch.heartbeat()
    }
    this.#catchUp(partition, batch.next)
    const state = JSON.stringify(this.#executor.snapshot(partition))
    const { checkpoints } = this.#options
    await checkpoints.save(this.#at(partition), { next: batch.next, full: true, entries: [[STATE, state]] })
    await this.#subscription?.commit(topics.runs, partition, batch.next)
  }

  async idle(_topic: string, partition: number): Promise<void> {
    this.#catchUp(partition, Number.POSITIVE_INFINITY)
  }

  async revoked(_topic: string, partition: number): Promise<void> {
    await this.#executor.revoked(partition)
    this.#behind.delete(partition)
  }

  #catchUp(partition: number, next: number): void {
    if (!this.#behind.has(partition) || next < (this.#liveFrom.get(partition) ?? 0)) return
    this.#behind.delete(partition)
    this.#executor.caughtUp(partition)
  }

  async #observe(record: LogRecord, live: boolean): Promise<void> {
    let read: RunRecord
    try {
      read = decodeRecord(record.value, record.headers)
    } catch (error) {
      await this.#setAside(record, (error as Error).message)
      return
    }
    await this.#executor.observe(read, { partition: record.partition, offset: record.offset, live })
  }

  async #setAside(record: LogRecord, detail: string): Promise<void> {
    const { delivery, logger } = this.#options
    const { topic, partition, offset, value, headers, appendedAt } = record
    logger.error({ topic, partition, offset }, `run record that cannot be read: ${detail}`)
    const dead = { topic, partition, offset, index: 0, reason: 'wrong-type', detail, value, headers, appendedAt }
    await delivery.write(new Map([['dead_letters', [deadLetterRow(dead)]]]))
  }

  #at(partition: number): CheckpointKey {
    return { pipeline: 'runs', topic: topics.runs, partition }
  }
}
