import { setImmediate } from 'node:timers/promises'
import type { Event, Origin } from '../../operators/operator.ts'
import type { Mark } from '../../operators/watermark.ts'
import type { Graph } from '../pipeline.ts'
import type { Batch, LogRecord } from '../sources/log.ts'
import { type Emitted, Engine, type Fates } from './engine.ts'
import { OriginProgress, type ProgressOptions } from './progress.ts'
import type { SetAside } from './step-failure.ts'

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
  /** What steps have failed of too often, and go on without. */
  readonly setAside?: SetAside
  /** Nobody else can be writing files into the topic. */
  readonly isAlone?: boolean
}

/** How long the event loop may be held before others get their turn, in milliseconds. */
const TURN = 20

/** One partition of a pipeline at work: its engine, fed with records. */
export class Partition {
  readonly engine: Engine
  readonly #options: PartitionOptions
  readonly #stream: string
  #progress: OriginProgress | undefined

  constructor(options: PartitionOptions) {
    const { graph, partition, partitions } = options
    const name = (index: number): string => `${graph.name}/${index}`
    const siblings = Array.from({ length: partitions }, (_, index) => name(index))
    this.#options = options
    this.#stream = `topic:${graph.topic}/${partition}`
    const { expected, setAside } = options
    this.engine = new Engine(graph, { stream: name(partition), siblings, expected, ...(setAside ? { setAside } : {}) })
    if (options.progress) this.#progress = this.#follow(options.progress)
  }

  /** Puts back a saved state; answers the steps whose part of it could not be used. */
  async restore(entries: ReadonlyMap<string, string>): Promise<string[]> {
    const abandoned = await inTurns(this.engine.restoring(entries))
    const { progress } = this.#options
    if (progress) this.#progress = this.#follow(progress)
    return abandoned
  }

  /**
   * Runs the records through the engine, giving way to others every few milliseconds.
   * @throws {StepFailure} after which this partition is of no more use
   */
  async work(batch: Batch): Promise<{ emitted: Emitted; dead: Dead[]; fates: BatchFates }> {
    const dead: Dead[] = []
    const dropped: Record<string, number> = {}
    await inTurns(this.#records(batch.records, dead, dropped), () => batch.heartbeat())
    const { emitted, fates } = this.engine.take()
    const extra = Object.values(dropped).reduce((a, b) => a + b, 0)
    for (const [reason, count] of Object.entries(dropped)) fates.dropped[reason] = (fates.dropped[reason] ?? 0) + count
    return { emitted, dead, fates: { ...fates, in: fates.in + extra + dead.length, dead: dead.length } }
  }

  /** The partition is read to its end at this wall-clock time: marks to be written into it, if any are due. */
  rest(now: number): Mark[] {
    const own = this.#progress?.rest(now)
    return [...(own ? [own] : []), ...this.#abandoned()]
  }

  /** Of files nobody reads any more: a replay that was killed half-way would hold the watermark for good. */
  #abandoned(): Mark[] {
    if (!this.#options.isAlone) return []
    const files = this.engine.open().filter(({ stream }) => stream.startsWith('file:'))
    return files.map(({ stream, time }) => ({ stream, time, idle: true, siblings: [] }))
  }

  /** Takes in a mark of the partition's own stream where it cannot be written into the topic. */
  async heed(mark: Mark): Promise<Emitted> {
    await inTurns(this.#marking(mark))
    return this.engine.take().emitted
  }

  #follow(progress: ProgressOptions): OriginProgress {
    const { engine } = this
    return new OriginProgress(this.#stream, progress, engine.announced(this.#stream), engine.isIdle(this.#stream))
  }

  *#records(records: readonly LogRecord[], dead: Dead[], dropped: Record<string, number>): Generator<void> {
    for (const record of records) {
      const read = this.#read(record)
      const used = read.events.length
      for (const part of read.dead) dead.push(used > 0 ? { record, ...part, used } : { record, ...part })
      for (const [reason, count] of Object.entries(read.dropped)) dropped[reason] = (dropped[reason] ?? 0) + count
      if (read.mark) yield* this.#marking(read.mark)
      for (const { event, late, from } of read.events) {
        yield* this.#event(event, late, from)
        yield
      }
      yield
    }
  }

  /** Whatever a reader of records throws on is a record that cannot be read. */
  #read(record: LogRecord): Read {
    try {
      return this.#options.read(record)
    } catch (error) {
      const detail = (error as Error).stack ?? String(error)
      return { events: [], dead: [{ index: 0, reason: 'decode-failed', detail }], dropped: {} }
    }
  }

  *#marking(mark: Mark): Generator<void> {
    if (mark.stream === this.#stream) this.#progress?.heed(mark)
    yield* this.engine.marking(mark)
  }

  *#event(event: Event<unknown>, late: boolean, from: Origin | undefined): Generator<void> {
    const progress = event.origin.stream === this.#stream ? this.#progress : undefined
    this.engine.event(event, late || (progress?.isLate(event.time) ?? this.#isBehind(event)), from)
    const mark = progress?.observe(event.time)
    if (mark) yield* this.engine.marking(mark)
  }

  /** Whether the event's own stream announced, by marks in this topic, that it was past this time. */
  #isBehind({ origin, time }: Event<unknown>): boolean {
    const announced = this.engine.announced(origin.stream)
    return announced !== null && time < announced
  }
}

/** Runs work that may be interrupted to its end, giving way to others every few milliseconds. */
async function inTurns<T>(work: Generator<void, T>, after: () => Promise<void> = async () => undefined): Promise<T> {
  let turn = performance.now()
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
    if (performance.now() - turn < TURN) continue
    await setImmediate()
    await after()
    turn = performance.now()
  }
}
