import { setImmediate } from 'node:timers/promises'
import type { Event, Origin } from '../../operators/operator.ts'
import type { Mark } from '../../operators/watermark.ts'
import type { Graph } from '../pipeline.ts'
import type { Batch, LogRecord } from '../sources/log.ts'
import { type Emitted, Engine, type Fates } from './engine.ts'
import { OriginProgress, type ProgressOptions } from './progress.ts'

/** Why a part of a record went to the dead letters. */
export interface Dead {
  readonly record: LogRecord
  readonly index: number
  readonly reason: string
  readonly detail: string
  /** How many events the rest of the record was; absent: none. */
  readonly used?: number
}

/** What a record holds. */
export interface Read {
  readonly events: readonly { event: Event<unknown>; late: boolean; from?: Origin }[]
  readonly mark?: Mark
  readonly dead: readonly { index: number; reason: string; detail: string }[]
  readonly dropped: Readonly<Record<string, number>>
}

/** What became of a batch: `in = used + late + dropped + dead`. */
export interface BatchFates extends Fates {
  dead: number
}

export interface PartitionOptions {
  readonly graph: Graph
  readonly partition: number
  readonly partitions: number
  /** Streams the watermark waits for. */
  readonly expected: readonly string[]
  readonly read: (record: LogRecord) => Read
  /** Given where the topic's events come from outside, without marks of their own. */
  readonly progress?: ProgressOptions
  readonly entries?: ReadonlyMap<string, string>
}

/** How long the event loop may be held before others get their turn, in milliseconds. */
const TURN = 20

/** One partition of a pipeline at work: its engine, fed with records. */
export class Partition {
  readonly engine: Engine
  /** Steps whose saved state could not be used. */
  readonly abandoned: readonly string[]
  readonly #options: PartitionOptions
  readonly #stream: string
  #progress: OriginProgress | undefined

  constructor(options: PartitionOptions) {
    const { graph, partition, partitions } = options
    const name = (index: number): string => `${graph.name}/${index}`
    const siblings = Array.from({ length: partitions }, (_, index) => name(index))
    this.#options = options
    this.#stream = `topic:${graph.topic}/${partition}`
    this.engine = new Engine(graph, { stream: name(partition), siblings, expected: options.expected })
    this.abandoned = options.entries ? this.engine.restore(options.entries) : []
    if (options.progress)
      this.#progress = new OriginProgress(this.#stream, options.progress, this.engine.announced(this.#stream))
  }

  /** Runs the records through the engine, giving way to others every few milliseconds. */
  async work(batch: Batch): Promise<{ emitted: Emitted; dead: Dead[]; fates: BatchFates }> {
    const dead: Dead[] = []
    const dropped: Record<string, number> = {}
    let turn = performance.now()
    for (const record of batch.records) {
      this.#record(record, dead, dropped)
      if (performance.now() - turn < TURN) continue
      await setImmediate()
      await batch.heartbeat()
      turn = performance.now()
    }
    const { emitted, fates } = this.engine.take()
    const extra = Object.values(dropped).reduce((a, b) => a + b, 0)
    for (const [reason, count] of Object.entries(dropped)) fates.dropped[reason] = (fates.dropped[reason] ?? 0) + count
    return { emitted, dead, fates: { ...fates, in: fates.in + extra + dead.length, dead: dead.length } }
  }

  /** The partition is read to its end at this wall-clock time. */
  rest(now: number): Emitted {
    const mark = this.#progress?.rest(now)
    if (mark) this.engine.mark(mark)
    return this.engine.take().emitted
  }

  #record(record: LogRecord, dead: Dead[], dropped: Record<string, number>): void {
    const read = this.#options.read(record)
    const used = read.events.length
    for (const part of read.dead) dead.push(used > 0 ? { record, ...part, used } : { record, ...part })
    for (const [reason, count] of Object.entries(read.dropped)) dropped[reason] = (dropped[reason] ?? 0) + count
    if (read.mark) this.engine.mark(read.mark)
    for (const { event, late, from } of read.events) this.#event(event, late, from)
  }

  #event(event: Event<unknown>, late: boolean, from: Origin | undefined): void {
    const progress = event.origin.stream === this.#stream ? this.#progress : undefined
    this.engine.event(event, late || (progress?.isLate(event.time) ?? this.#isBehind(event)), from)
    const mark = progress?.observe(event.time)
    if (mark) this.engine.mark(mark)
  }

  /** Whether the event's own stream announced, by marks in this topic, that it was past this time. */
  #isBehind({ origin, time }: Event<unknown>): boolean {
    const announced = this.engine.announced(origin.stream)
    return announced !== null && time < announced
  }
}
