import assert from 'node:assert/strict'
import type { Event, Origin } from '../operators/operator.ts'
import type { Graph } from '../pipelines/pipeline.ts'
import { Engine, type Fates, type Output } from '../pipelines/runtime/engine.ts'
import type { Row } from '../sinks/store.ts'

/** A pipeline without a log or a store: send events, move the watermark, read what came out, crash it anywhere. */
export class Driver {
  readonly #graph: Graph
  #engine: Engine
  readonly rows = new Map<string, Row[]>()
  readonly outputs: Output[] = []
  readonly late: { step: string; event: Event<unknown> }[] = []
  readonly dead: { step: string; event: Event<unknown>; error: Error }[] = []
  readonly fates: Fates = { in: 0, used: 0, late: 0, dropped: {} }

  readonly #producer: string | undefined
  #sent = 0
  #saved = new Map<string, string>()
  /** What steps failed of, and are to go on without. */
  readonly setAside = new Map<string, Error>()

  /**
   * `producer`: who sends, each event once, whatever origins they bear. Without, an event is known by its origin, and one
   * that is sent again is a repeat.
   */
  constructor(graph: Graph, producer?: string) {
    this.#graph = graph
    this.#producer = producer
    this.#engine = this.#fresh()
  }

  get engine(): Engine {
    return this.#engine
  }

  send(...events: Event<unknown>[]): this {
    for (const event of events) this.#engine.event(event, false, this.#placeOf(event))
    this.#take()
    return this
  }

  /** Says that nothing before `time` will come any more. */
  advance(time: number, stream = 'test'): this {
    this.#engine.mark({ stream, time, idle: false, siblings: [] })
    this.#take()
    return this
  }

  idle(stream: string, time: number | null = null): this {
    this.#engine.mark({ stream, time, idle: true, siblings: [] })
    this.#take()
    return this
  }

  /** Saves what has changed, as a checkpoint does. */
  save(): this {
    for (const [name, json] of this.#engine.changes())
      if (json === null) this.#saved.delete(name)
      else this.#saved.set(name, json)
    return this
  }

  /** Saves the whole state, as a checkpoint does now and then. */
  saveAll(): this {
    this.#saved = new Map(this.#engine.snapshot())
    return this
  }

  /** Saves, and loses everything but what was saved, which has passed through JSON text. */
  crash(): this {
    return this.save().restore()
  }

  /** Goes back to what was saved. */
  restore(): this {
    this.#engine = this.#fresh()
    assert.deepEqual(this.#engine.restore(this.#saved), [])
    return this
  }

  read(table: string): Row[] {
    return this.rows.get(table) ?? []
  }

  /** Published events of a topic, in order. */
  published(topic: string): unknown[] {
    return this.outputs.flatMap(output =>
      output.kind === 'event' && output.topic === topic ? [output.event.value] : [],
    )
  }

  #placeOf(event: Event<unknown>): Origin {
    return this.#producer === undefined ? event.origin : { stream: this.#producer, offset: this.#sent++, index: 0 }
  }

  #fresh(): Engine {
    const stream = `${this.#graph.name}/0`
    return new Engine(this.#graph, { stream, siblings: [stream], setAside: this.setAside })
  }

  #take(): void {
    const { emitted, fates } = this.#engine.take()
    for (const [table, rows] of emitted.rows) this.rows.set(table, [...this.read(table), ...rows])
    this.outputs.push(...emitted.outputs)
    this.late.push(...emitted.late)
    this.dead.push(...emitted.dead)
    this.fates.in += fates.in
    this.fates.used += fates.used
    this.fates.late += fates.late
    for (const [reason, count] of Object.entries(fates.dropped))
      this.fates.dropped[reason] = (this.fates.dropped[reason] ?? 0) + count
    assertBalance('source', fates.in, fates.used + fates.late + sum(fates.dropped))
    for (const [id, step] of this.#engine.steps())
      assertBalance(id, step.in, step.used + step.late + sum(step.dropped) + step.dead + step.held)
  }
}

/** `in = used + late + dropped + dead`, and nothing vanishes. */
function assertBalance(what: string, given: number, accounted: number): void {
  assert.equal(accounted, given, `${what}: ${given} events in, ${accounted} accounted for`)
}

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0)
