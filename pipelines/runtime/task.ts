import type { Clock } from '../../operators/clock.ts'
import type { Mark } from '../../operators/watermark.ts'
import type { CheckpointKey, Checkpoints } from '../../sinks/checkpoints.ts'
import { lateRow } from '../../sinks/rows.ts'
import type { Row } from '../../sinks/store.ts'
import type { Graph } from '../pipeline.ts'
import type { Batch, Log, LogRecord } from '../sources/log.ts'
import type { Logger } from '../sources/logger.ts'
import { CheckpointWriter } from './checkpoint-writer.ts'
import { deadRecords, deadRows, type FailedEvent, failedRecord, failedRow } from './dead-records.ts'
import type { Delivery } from './delivery.ts'
import type { Emitted } from './engine.ts'
import { encodeMark } from './marks.ts'
import { type Dead, Partition, type Read } from './partition.ts'
import type { ProgressOptions } from './progress.ts'
import { type BatchReport, batches, type EmissionReport, emissions } from './reports.ts'
import { StepFailure } from './step-failure.ts'

export interface TaskOptions {
  readonly graph: Graph
  readonly partition: number
  readonly partitions: number
  /** Streams the watermark waits for. */
  readonly expected: readonly string[]
  readonly log: Log
  readonly delivery: Delivery
  readonly checkpoints: Checkpoints
  readonly clock: Clock
  readonly logger: Logger
  readonly read: (record: LogRecord) => Read
  readonly progress?: ProgressOptions
  /** The topic is somebody else's: nothing of ours is written into it. */
  readonly isForeign?: boolean
  /** Nobody else can be writing files into the topic. */
  readonly isAlone?: boolean
  /** Least milliseconds between checkpoints, and most between the writing of rows. */
  readonly checkpointEvery: number
  /** Rows that may wait to be written. */
  readonly mostRows?: number
}

/** How often a step may fail of the same before that is set aside. */
const TRIES = 3
/** Records of one batch when a partition comes again. */
const AGAIN = 1_000

/**
 * One partition of a pipeline at work: batch → engine → topics → rows → checkpoint. A crash before the checkpoint reads
 * the same records again and writes the same rows over. Where a step fails, the partition goes back to its checkpoint
 * and comes again; what fails every time goes to the dead letters.
 */
export class Task {
  /** Read to the end, and looked at since. */
  rested = false
  readonly #options: TaskOptions
  readonly #rows = new Map<string, Row[]>()
  readonly #failures = new Map<string, number>()
  readonly #setAside = new Map<string, Error>()
  #partition: Partition
  #writer: CheckpointWriter
  #next: number | undefined
  /** Where the records begin that no checkpoint covers. */
  #from: number | undefined
  #waiting = 0
  #flushedAt: number
  #changed = false

  /** Begins where the last checkpoint of the partition ends. */
  static async open(options: TaskOptions): Promise<Task> {
    const task = new Task(options)
    await task.#load()
    return task
  }

  private constructor(options: TaskOptions) {
    this.#options = options
    this.#partition = new Partition({ ...options, setAside: this.#setAside })
    this.#writer = new CheckpointWriter({ ...options, at: this.#at, every: options.checkpointEvery }, undefined)
    this.#flushedAt = options.clock.now()
  }

  /** The offset to be read next; undefined: nothing was ever read. */
  get next(): number | undefined {
    return this.#next
  }

  /** Answers the offset that a checkpoint was written for, if one was. */
  async batch(batch: Batch): Promise<number | undefined> {
    const began = performance.now()
    this.rested = false
    const worked = await this.#work(batch)
    const saved = await this.#saveIfDue()
    this.#report(batch, worked, performance.now() - began)
    return saved
  }

  /** The partition is read to its end. Answers as `batch` does. */
  async idle(): Promise<number | undefined> {
    const marks = this.#partition.rest(this.#options.clock.now())
    for (const mark of marks) await this.#announce(mark)
    if (marks.length === 0) this.rested = true
    return await this.#saveIfDue()
  }

  /** Saves what is not saved. Answers as `batch` does. */
  async close(): Promise<number | undefined> {
    return this.#changed ? await this.#save() : undefined
  }

  get #at(): CheckpointKey {
    const { graph, partition } = this.#options
    return { pipeline: graph.name, topic: graph.topic, partition }
  }

  async #load(): Promise<void> {
    const { graph, partition, checkpoints, checkpointEvery: every, logger } = this.#options
    const saved = await checkpoints.load(this.#at)
    this.#partition = new Partition({ ...this.#options, setAside: this.#setAside })
    this.#writer = new CheckpointWriter({ ...this.#options, at: this.#at, every }, saved)
    this.#rows.clear()
    this.#waiting = 0
    this.#next = saved?.next
    this.#from = saved?.next ?? this.#from
    const abandoned = saved ? await this.#partition.restore(saved.entries) : []
    if (abandoned.length > 0)
      logger.warn(
        { pipeline: graph.name, partition, steps: abandoned },
        `pipeline ${graph.name}: the saved state of ${abandoned.join(', ')} is of another version and starts afresh`,
      )
  }

  async #work(batch: Batch): Promise<Worked> {
    this.#from ??= batch.records[0]!.offset
    for (;;) {
      try {
        const worked = await this.#partition.work(batch)
        await this.#deliver(worked.emitted, worked.dead)
        this.#next = batch.next
        this.#changed = true
        return worked
      } catch (error) {
        if (!(error instanceof StepFailure)) throw error
        this.#count(error)
        await this.#options.delivery.withLog(() => this.#goBack(batch))
      }
    }
  }

  #count(failure: StepFailure): void {
    const { graph, partition, logger } = this.#options
    const times = (this.#failures.get(failure.id) ?? 0) + 1
    this.#failures.set(failure.id, times)
    if (times >= TRIES) this.#setAside.set(failure.id, failure)
    const then = times >= TRIES ? 'setting it aside' : 'trying again from the checkpoint'
    logger.warn({ pipeline: graph.name, partition, step: failure.step, times }, `${failure.message}; ${then}`)
  }

  /** Back to the checkpoint, and forward again to where the batch begins. */
  async #goBack({ records, heartbeat, end }: Batch): Promise<void> {
    const { graph, partition, log } = this.#options
    const until = records[0]!.offset
    await this.#load()
    const { topic } = graph
    for await (const again of inBatches(log.read(topic, partition, this.#from ?? until, until)))
      await this.#work({ topic, partition, records: again, next: again.at(-1)!.offset + 1, end, heartbeat })
  }

  /** Says that the partition is silent: to all who will ever read it, or, in a topic that is not ours, to us alone. */
  async #announce(mark: Mark): Promise<void> {
    const { graph, partition, delivery, isForeign } = this.#options
    if (isForeign) {
      await this.#deliver(await this.#partition.heed(mark), [])
      this.#changed = this.#next !== undefined
    } else await delivery.append([{ topic: graph.topic, partition, key: null, ...encodeMark(mark) }])
  }

  async #deliver(emitted: Emitted, dead: readonly Dead[]): Promise<void> {
    const { graph, partition, delivery } = this.#options
    emissions.publish({ pipeline: graph.name, emitted } satisfies EmissionReport)
    const failed = emitted.dead.map(({ step, event, error }) => ({
      ...{ topic: graph.topic, partition, event, error },
      step: `${graph.name}.${step}`,
    }))
    await delivery.publish(emitted.outputs)
    await delivery.append([...deadRecords(dead), ...failed.map(failedRecord)])
    for (const [table, rows] of emitted.rows) this.#keep(table, rows)
    this.#keep('dead_letters', [...deadRows(dead), ...failed.map(failedRow)])
    const late = emitted.late.map(({ step, event }) => lateRow(`${graph.name}.${step}`, event))
    this.#keep('late_events', late)
    for (const event of failed) this.#tell(event)
  }

  #tell({ step, event, error }: FailedEvent): void {
    const { graph, logger } = this.#options
    logger.error(
      { pipeline: graph.name, step, key: event.key, error },
      `pipeline ${graph.name}: '${step}' cannot do with an event of '${event.key}' and goes on without it`,
    )
  }

  #keep(table: string, rows: readonly Row[]): void {
    if (rows.length === 0) return
    const kept = this.#rows.get(table)
    if (kept) for (const row of rows) kept.push(row)
    else this.#rows.set(table, [...rows])
    this.#waiting += rows.length
  }

  async #saveIfDue(): Promise<number | undefined> {
    const { clock, checkpointEvery, mostRows = 20_000 } = this.#options
    if (this.#changed && this.#writer.isDue) return await this.#save()
    if (this.#waiting >= mostRows || clock.now() - this.#flushedAt >= checkpointEvery) await this.#flush()
    return undefined
  }

  async #flush(): Promise<void> {
    const { delivery, clock } = this.#options
    await delivery.write(this.#rows)
    this.#rows.clear()
    this.#waiting = 0
    this.#flushedAt = clock.now()
  }

  /** Rows first, then the state and offset that say they were written. */
  async #save(): Promise<number | undefined> {
    await this.#flush()
    const next = this.#next
    if (next === undefined) return undefined
    await this.#writer.save(this.#partition.engine, next)
    this.#from = next
    this.#changed = false
    this.#failures.clear()
    this.#setAside.clear()
    return next
  }

  #report(batch: Batch, { emitted, dead, fates }: Worked, took: number): void {
    if (!batches.hasSubscribers) return
    const reasons: Record<string, number> = {}
    for (const { reason } of dead) reasons[reason] = (reasons[reason] ?? 0) + 1
    if (emitted.dead.length > 0) reasons['step-failed'] = emitted.dead.length
    const report: BatchReport = {
      pipeline: this.#options.graph.name,
      topic: batch.topic,
      partition: batch.partition,
      fates,
      dead: reasons,
      outputs: emitted.outputs.length,
      lag: batch.end - batch.next,
      watermark: this.#partition.engine.time,
      took,
    }
    batches.publish(report)
  }
}

type Worked = Awaited<ReturnType<Partition['work']>>

async function* inBatches(records: AsyncIterable<LogRecord>): AsyncGenerator<LogRecord[]> {
  let batch: LogRecord[] = []
  for await (const record of records) {
    batch.push(record)
    if (batch.length < AGAIN) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
