import { channel } from 'node:diagnostics_channel'
import type { Clock } from '../../operators/clock.ts'
import type { Checkpoints } from '../../sinks/checkpoints.ts'
import { lateRow } from '../../sinks/rows.ts'
import type { Row } from '../../sinks/store.ts'
import type { Graph } from '../pipeline.ts'
import type { Batch, Log, LogRecord, Reader, Subscription } from '../sources/log.ts'
import type { Logger } from '../sources/logger.ts'
import { deadRecords, deadRows } from './dead-records.ts'
import type { Delivery } from './delivery.ts'
import type { Emitted } from './engine.ts'
import { type BatchFates, type Dead, Partition, type Read } from './partition.ts'
import type { ProgressOptions } from './progress.ts'
import { type EmissionReport, emissions, type RevocationReport, revocations } from './reports.ts'

/** What a batch was and did; published on the diagnostics channel `ops-agent:batch`. */
export interface BatchReport {
  readonly pipeline: string
  readonly topic: string
  readonly partition: number
  readonly fates: BatchFates
  /** Reasons of the dead, counted. */
  readonly dead: Readonly<Record<string, number>>
  readonly outputs: number
  /** Records behind the end of the partition after this batch. */
  readonly lag: number
  /** The input's watermark, or null. */
  readonly watermark: number | null
  /** Milliseconds the batch took, delivery included. */
  readonly took: number
}

export const batches = channel('ops-agent:batch')

export interface RunnerOptions {
  readonly graph: Graph
  readonly group: string
  readonly log: Log
  readonly delivery: Delivery
  readonly checkpoints: Checkpoints
  readonly clock: Clock
  readonly logger: Logger
  readonly read: (record: LogRecord) => Read
  readonly progress?: ProgressOptions
  /** Pipelines that publish to our topic, and how many partitions each has. */
  readonly upstream: readonly { name: string; partitions: number }[]
  readonly start: 'earliest' | 'latest'
  /** Milliseconds between checkpoints, and between the looks at a partition that is read to its end. */
  readonly checkpointEvery: number
  readonly idleEvery: number
  /** Rows that may wait for the next checkpoint. */
  readonly mostRows?: number
}

interface Task {
  readonly partition: Partition
  readonly rows: Map<string, Row[]>
  waiting: number
  next: number
  saved: number
  savedAt: number
  changed: boolean
  /** Read to the end, and looked at since. */
  rested: boolean
  /** Checkpoints since the last whole one. */
  deltas: number
}

/** A whole state is written after this many that held only what changed. */
const DELTAS = 50

/**
 * Runs a pipeline: batch → engine → topics → rows → checkpoint → commit. Rows and the checkpoint are written together
 * at the cadence asked for; a crash before that reads the same records again and writes the same rows over.
 */
export class Runner implements Reader {
  readonly #options: RunnerOptions
  readonly #tasks = new Map<number, Task>()
  #subscription: Subscription | undefined
  #partitions = 0

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.graph.name
  }

  async start(): Promise<void> {
    const { graph, group, log, start, idleEvery } = this.#options
    this.#partitions = await log.partitions(graph.topic)
    this.#subscription = await log.subscribe({ group, topics: [graph.topic], start, idleEvery }, this)
  }

  get done(): Promise<void> {
    return this.#subscription?.done ?? Promise.resolve()
  }

  async close(): Promise<void> {
    await this.#subscription?.close()
  }

  /** Whether every partition of the topic is ours. */
  get ownsAll(): boolean {
    return this.#tasks.size === this.#partitions
  }

  /** Whether every partition is ours, read to its end, and has told its readers how far it came. */
  async isAtRest(): Promise<boolean> {
    const ends = await this.#options.log.ends(this.#options.graph.topic)
    return ends.every((end, partition) => {
      const task = this.#tasks.get(partition)
      return task?.rested === true && Math.max(0, task.next) >= end
    })
  }

  async assigned(_topic: string, partition: number): Promise<number | undefined> {
    const { graph, checkpoints, clock, logger } = this.#options
    const saved = await checkpoints.load(this.#at(partition))
    const task = this.#task(partition, saved?.next ?? -1, saved?.entries)
    task.savedAt = clock.now()
    this.#tasks.set(partition, task)
    if (task.partition.abandoned.length > 0)
      logger.warn(
        { pipeline: graph.name, partition, steps: task.partition.abandoned },
        `pipeline ${graph.name}: the saved state of ${task.partition.abandoned.join(', ')} is of another version and starts afresh`,
      )
    return saved?.next
  }

  async batch(batch: Batch): Promise<void> {
    const task = this.#tasks.get(batch.partition)
    if (!task) return
    const began = performance.now()
    const { emitted, dead, fates } = await task.partition.work(batch)
    await this.#deliver(task, emitted, dead)
    task.next = batch.next
    task.changed = true
    task.rested = false
    if (this.#isDue(task)) await this.#save(batch.partition, task)
    this.#report(batch, task, emitted, dead, fates, performance.now() - began)
  }

  async idle(_topic: string, partition: number): Promise<void> {
    const task = this.#tasks.get(partition)
    if (!task) return
    await this.#deliver(task, task.partition.rest(this.#options.clock.now()), [])
    task.rested = true
    if (task.changed && this.#isDue(task)) await this.#save(partition, task)
  }

  async revoked(_topic: string, partition: number): Promise<void> {
    const task = this.#tasks.get(partition)
    if (task?.changed) await this.#save(partition, task)
    this.#tasks.delete(partition)
    revocations.publish({ ...this.#at(partition) } satisfies RevocationReport)
  }

  #task(partition: number, next: number, entries: ReadonlyMap<string, string> | undefined): Task {
    const { graph, read, progress, upstream } = this.#options
    const expected = upstream.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, index) => `${name}/${index}`),
    )
    const made = new Partition({
      graph,
      partition,
      partitions: this.#partitions,
      expected,
      read,
      ...(progress ? { progress } : {}),
      ...(entries ? { entries } : {}),
    })
    return {
      partition: made,
      rows: new Map(),
      waiting: 0,
      next,
      saved: next,
      savedAt: 0,
      changed: false,
      rested: false,
      deltas: entries ? 1 : 0,
    }
  }

  async #deliver(task: Task, emitted: Emitted, dead: readonly Dead[]): Promise<void> {
    const { graph, delivery } = this.#options
    emissions.publish({ pipeline: graph.name, emitted } satisfies EmissionReport)
    await delivery.publish(emitted.outputs)
    if (dead.length > 0) await delivery.append(deadRecords(dead))
    for (const [table, rows] of emitted.rows) this.#keep(task, table, rows)
    this.#keep(task, 'dead_letters', deadRows(dead))
    this.#keep(
      task,
      'late_events',
      emitted.late.map(({ step, event }) => lateRow(`${graph.name}.${step}`, event)),
    )
    for (const { step, event, error } of emitted.dead) this.#poison(step, event.key, error)
  }

  #poison(step: string, key: string, error: Error): void {
    const { graph, logger } = this.#options
    logger.error(
      { pipeline: graph.name, step, key, error: error.stack },
      `pipeline ${graph.name}: step '${step}' failed on an event of '${key}' and goes on without it`,
    )
  }

  #keep(task: Task, table: string, rows: readonly Row[]): void {
    if (rows.length === 0) return
    const kept = task.rows.get(table)
    if (kept) for (const row of rows) kept.push(row)
    else task.rows.set(table, [...rows])
    task.waiting += rows.length
  }

  #isDue(task: Task): boolean {
    const { clock, checkpointEvery, mostRows = 20_000 } = this.#options
    return task.waiting >= mostRows || clock.now() - task.savedAt >= checkpointEvery
  }

  /** Rows first, then the state and offset that say they were written. */
  async #save(partition: number, task: Task): Promise<void> {
    const { graph, delivery, checkpoints, clock } = this.#options
    await delivery.write(task.rows)
    task.rows.clear()
    task.waiting = 0
    task.changed = false
    task.savedAt = clock.now()
    if (task.next === task.saved) return
    const full = task.deltas % DELTAS === 0
    const changes = task.partition.engine.changes()
    const changed = full ? task.partition.engine.snapshot() : present(changes)
    const removed = full ? [] : [...changes].flatMap(([name, json]) => (json === null ? [name] : []))
    await checkpoints.save(this.#at(partition), { next: task.next, full, changed, removed })
    task.deltas++
    task.saved = task.next
    await this.#subscription?.commit(graph.topic, partition, task.next)
  }

  #at(partition: number): { pipeline: string; topic: string; partition: number } {
    const { graph } = this.#options
    return { pipeline: graph.name, topic: graph.topic, partition }
  }

  #report(batch: Batch, task: Task, emitted: Emitted, dead: readonly Dead[], fates: BatchFates, took: number): void {
    if (!batches.hasSubscribers) return
    const reasons: Record<string, number> = {}
    for (const { reason } of dead) reasons[reason] = (reasons[reason] ?? 0) + 1
    const report: BatchReport = {
      pipeline: this.name,
      topic: batch.topic,
      partition: batch.partition,
      fates,
      dead: reasons,
      outputs: emitted.outputs.length,
      lag: batch.end - batch.next,
      watermark: task.partition.engine.time,
      took,
    }
    batches.publish(report)
  }
}

function present(changes: ReadonlyMap<string, string | null>): Map<string, string> {
  const changed = new Map<string, string>()
  for (const [name, json] of changes) if (json !== null) changed.set(name, json)
  return changed
}
