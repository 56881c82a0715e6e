import type { Event, EventTime, Origin } from '../../operators/operator.ts'
import { type Mark, type StreamState, Watermark } from '../../operators/watermark.ts'
import type { Row } from '../../sinks/store.ts'
import type { Graph, Node, StepNode, TopicNode } from '../pipeline.ts'
import { KeyedStep, type StepFates } from './keyed-step.ts'
import type { SetAside } from './step-failure.ts'

/** A record to be published: an event of a step, or this pipeline's own progress for every partition of the topic. */
export type Output =
  | {
      kind: 'event'
      topic: string
      key: string
      partitionKey: string
      step: string
      event: Event<unknown>
      /** Which output of which producer it is: a reader drops what is at or below the highest it has seen of one. */
      from: Origin
      /** The event's origin stream had passed it before it was sent. */
      late: boolean
    }
  | { kind: 'mark'; topic: string; mark: Mark }

/** What a stretch of input caused, in order. */
export interface Emitted {
  readonly rows: Map<string, Row[]>
  readonly outputs: Output[]
  readonly late: { step: string; event: Event<unknown> }[]
  /** Events deliberately not used, by step and reason. */
  readonly dropped: Map<string, Record<string, number>>
  readonly dead: { step: string; event: Event<unknown>; error: Error }[]
}

/** What became of the events a batch brought: `in = used + late + dropped`. */
export interface Fates {
  in: number
  used: number
  late: number
  dropped: Record<string, number>
}

/** The state of an engine as named JSON texts; `null` stands for a name that is gone. */
export type Entries = Generator<[name: string, json: string | null]>

export interface EngineOptions {
  /** Streams to wait for although nothing was heard of them yet. */
  readonly expected?: readonly string[]
  /** What this engine's own progress is called, and its siblings': `pipeline/partition`. */
  readonly stream: string
  readonly siblings: readonly string[]
  /** What steps have failed of too often, and go on without. */
  readonly setAside?: SetAside
}

interface Meta {
  streams: StreamState
  time: EventTime | null
  /** The highest position seen of each producer. */
  positions: Record<string, [offset: number, index: number]>
  /** How many events were published so far. */
  published: number
  told: { time: EventTime | null; idle: boolean }
}

const META = 'meta'

/**
 * Runs a graph over the events and marks of one partition. Pure: what it emits and the state it ends in depend on its
 * input alone, so that the same input after a crash gives the same again.
 */
export class Engine {
  readonly #graph: Graph
  readonly #options: EngineOptions
  readonly #children: { node: number; edge: number }[][]
  readonly #late: number[][]
  readonly #steps = new Map<number, KeyedStep>()
  readonly #times: (EventTime | null)[]
  #watermark: Watermark
  #positions = new Map<string, [number, number]>()
  #published = 0
  #told: Meta['told'] = { time: null, idle: false }
  #fates: Fates = noFates()
  #emitted: Emitted = nothing()
  #lastOutput = new Map<string, number>()
  #eventIsLate = false

  constructor(graph: Graph, options: EngineOptions) {
    this.#graph = graph
    this.#options = options
    this.#watermark = new Watermark(options.expected)
    this.#children = graph.nodes.map(() => [])
    this.#late = graph.nodes.map(() => [])
    this.#times = graph.nodes.map(() => null)
    graph.nodes.forEach((node, index) => {
      node.from.forEach((from, edge) => {
        if (node.kind === 'late') this.#late[from]!.push(index)
        else this.#children[from]!.push({ node: index, edge })
      })
      if (node.kind === 'step') this.#steps.set(index, this.#keyedStep(node, index))
    })
  }

  /** The watermark of the input, or null while nothing is known. */
  get time(): EventTime | null {
    return this.#watermark.time
  }

  /**
   * Takes an event of the source. `late`: its origin stream had passed it before it was sent. `from`: its place among
   * what its producer sends, which only grows.
   */
  event(event: Event<unknown>, late = false, from: Origin = event.origin): void {
    this.#fates.in++
    if (this.#seen(from)) {
      this.#fates.dropped.duplicate = (this.#fates.dropped.duplicate ?? 0) + 1
      return
    }
    this.#eventIsLate = late
    const before = this.#emitted.late.length
    this.#emit(0, event)
    this.#eventIsLate = false
    if (this.#emitted.late.length > before) this.#fates.late++
    else this.#fates.used++
  }

  /** Takes a mark of the source; moves the steps on and tells the readers of our topics. */
  mark(mark: Mark): void {
    for (const _ of this.marking(mark));
  }

  /** The same bit by bit, for who may have to give way to others in between; it must be run to its end. */
  *marking(mark: Mark): Generator<void> {
    if (this.#watermark.observe(mark)) yield* this.#advance(this.#watermark.time!)
    this.#tell()
  }

  /** Event time already announced by a stream of the source, or null. */
  announced(stream: string): EventTime | null {
    return this.#watermark.timeOf(stream)
  }

  /** Whether a stream of the source was silent when last heard of. */
  isIdle(stream: string): boolean {
    return this.#watermark.isIdle(stream)
  }

  /** Streams of the source that hold the watermark, with how far each has come. */
  open(): { stream: string; time: EventTime | null }[] {
    return this.#watermark.open()
  }

  /** Hands out what was emitted since the last call, and what became of the events. */
  take(): { emitted: Emitted; fates: Fates } {
    const taken = { emitted: this.#emitted, fates: this.#fates }
    this.#emitted = nothing()
    this.#lastOutput = new Map()
    this.#fates = noFates()
    return taken
  }

  /** What became of the events at each step since the start of this engine. */
  steps(): Map<string, StepFates & { keys: number; held: number }> {
    return new Map(
      [...this.#steps.values()].map(step => [step.node.id, { ...step.fates, keys: step.keys, held: step.held }]),
    )
  }

  /** How many names a whole save has, about. */
  get size(): number {
    return [...this.#steps.values()].reduce((sum, { size }) => sum + size, 1)
  }

  /** Names changed since the last call, one by one; null: the name is gone. Events and marks have to wait meanwhile. */
  *changes(): Entries {
    yield [META, this.#meta()]
    for (const step of this.#steps.values())
      for (const [name, json] of step.changes()) yield [`${step.node.id}${name}`, json]
  }

  /** The whole state, name by name; later changes build on it. */
  *snapshot(): Generator<[name: string, json: string]> {
    yield [META, this.#meta()]
    for (const step of this.#steps.values())
      for (const [name, json] of step.snapshot()) yield [`${step.node.id}${name}`, json]
  }

  /** Puts back a whole state; answers the ids of steps whose state is gone or of a version that cannot be read. */
  restore(entries: ReadonlyMap<string, string>): string[] {
    const restoring = this.restoring(entries)
    for (;;) {
      const { done, value } = restoring.next()
      if (done) return value
    }
  }

  /** The same bit by bit. */
  *restoring(entries: ReadonlyMap<string, string>): Generator<void, string[]> {
    const abandoned = new Set<string>()
    const steps = new Map([...this.#steps.values()].map(step => [step.node.id, step]))
    const meta = entries.get(META)
    if (meta !== undefined) this.#restoreMeta(JSON.parse(meta) as Meta)
    for (const [name, json] of entries) {
      if (name === META) continue
      const cut = name.search(/[\n\t\v]/)
      const step = steps.get(name.slice(0, cut))
      if (step) step.restore(name.slice(cut), json)
      else abandoned.add(name.slice(0, cut))
      yield
    }
    for (const [id, step] of steps) if (!(yield* step.settle())) abandoned.add(id)
    return [...abandoned]
  }

  #meta(): string {
    const meta: Meta = {
      ...this.#watermark.snapshot(),
      positions: Object.fromEntries(this.#positions),
      published: this.#published,
      told: this.#told,
    }
    return JSON.stringify(meta)
  }

  #restoreMeta(meta: Meta): void {
    this.#watermark = new Watermark(this.#options.expected, meta.streams, meta.time)
    this.#positions = new Map(Object.entries(meta.positions))
    this.#published = meta.published
    this.#told = meta.told
    if (meta.time === null) return
    for (const [index, node] of this.#graph.nodes.entries())
      this.#times[index] =
        this.#steps.get(index)?.resume(this.#inputOf(node, meta.time)) ?? this.#inputOf(node, meta.time)
  }

  #keyedStep(node: StepNode, index: number): KeyedStep {
    const outlet = {
      event: (event: Event<unknown>) => this.#emit(index, event),
      late: (event: Event<unknown>) => {
        this.#emitted.late.push({ step: node.id, event })
        for (const child of this.#late[index]!) this.#emit(child, event)
      },
      dropped: (reason: string) => {
        const { dropped } = this.#emitted
        const reasons = dropped.get(node.id) ?? {}
        reasons[reason] = (reasons[reason] ?? 0) + 1
        dropped.set(node.id, reasons)
      },
      dead: (event: Event<unknown>, error: Error) => this.#emitted.dead.push({ step: node.id, event, error }),
    }
    return new KeyedStep(node, outlet, this.#options.setAside ?? new Map())
  }

  /** Hands what came out of a node to all that read it. */
  #emit(from: number, event: Event<unknown>): void {
    for (const { node, edge } of this.#children[from]!) this.#receive(node, edge, event)
  }

  #receive(index: number, edge: number, event: Event<unknown>): void {
    const node = this.#graph.nodes[index]!
    if (node.kind === 'step') this.#steps.get(index)!.accept(event, edge, this.#eventIsLate)
    else if (node.kind === 'select') {
      if (this.#safely(node, event, () => node.test(event.value))) this.#emit(index, event)
    } else if (node.kind === 'table') this.#safely(node, event, () => this.#keep(node.id, node.row(event)))
    else if (node.kind === 'topic') this.#safely(node, event, () => this.#publish(node, event))
  }

  /** These hold no state that could be left half changed: an event one of them throws on is set aside at once. */
  #safely<T>(node: Node, event: Event<unknown>, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      this.#emitted.dead.push({ step: node.id, event, error: error as Error })
      return undefined
    }
  }

  #keep(table: string, row: Row): void {
    const rows = this.#emitted.rows.get(table)
    if (rows) rows.push(row)
    else this.#emitted.rows.set(table, [row])
  }

  #publish(node: TopicNode, event: Event<unknown>): void {
    const { value } = event
    const source = this.#graph.nodes[node.from[0]!]!
    // What passes unchanged keeps its identity; what a step made is told from what other steps made of the same event.
    const step = this.#madeBy(source)
    const [key, partitionKey] = [node.key(value), node.partitionKey(value)]
    // The same input gives the same outputs in the same order, so that a replay numbers them alike.
    const from = { stream: this.#options.stream, offset: this.#published++, index: 0 }
    this.#output({ kind: 'event', topic: node.id, key, partitionKey, step, event, from, late: this.#eventIsLate })
  }

  #madeBy(node: Node): string {
    if (node.kind === 'select') return this.#madeBy(this.#graph.nodes[node.from[0]!]!)
    // Two pipelines may call a step alike and publish to one topic.
    return node.kind === 'step' ? `${this.#graph.name}.${node.id}` : ''
  }

  /** Carries the watermark through the graph: a node's is the least of those it reads, less what a step holds back. */
  *#advance(time: EventTime): Generator<void> {
    for (const [index, node] of this.#graph.nodes.entries()) {
      const watermark = this.#inputOf(node, time)
      const step = this.#steps.get(index)
      this.#times[index] = step ? yield* step.advance(watermark) : watermark
    }
  }

  /** The watermark of what a node reads, where that of the source is `time`. */
  #inputOf({ from }: Node, time: EventTime): EventTime {
    return from.length === 0 ? time : Math.min(...from.map(index => this.#times[index] ?? time))
  }

  /** Marks for the readers of our topics, whenever our own progress has moved. */
  #tell(): void {
    const { idle } = this.#watermark
    const topics = new Map<string, EventTime | null>()
    this.#graph.nodes.forEach((node: Node, index) => {
      if (node.kind !== 'topic' || !node.marks) return
      const time = this.#times[index] ?? null
      const other = topics.get(node.id)
      topics.set(node.id, other === undefined || other === null || time === null ? time : Math.min(other, time))
    })
    if (this.#told.time === this.#watermark.time && this.#told.idle === idle) return
    this.#told = { time: this.#watermark.time, idle }
    const { stream, siblings } = this.#options
    for (const [topic, time] of topics) this.#announce({ kind: 'mark', topic, mark: { stream, time, idle, siblings } })
  }

  /** Appends a mark, or puts it in the place of one with no event of the topic behind it. */
  #announce(output: Extract<Output, { kind: 'mark' }>): void {
    const last = this.#lastOutput.get(output.topic)
    if (last !== undefined && this.#emitted.outputs[last]?.kind === 'mark') this.#emitted.outputs[last] = output
    else this.#output(output)
  }

  #output(output: Output): void {
    this.#lastOutput.set(output.topic, this.#emitted.outputs.push(output) - 1)
  }

  #seen({ stream, offset, index }: Origin): boolean {
    const highest = this.#positions.get(stream)
    if (highest && (offset < highest[0] || (offset === highest[0] && index <= highest[1]))) return true
    this.#positions.set(stream, [offset, index])
    return false
  }
}

const nothing = (): Emitted => ({ rows: new Map(), outputs: [], late: [], dropped: new Map(), dead: [] })
const noFates = (): Fates => ({ in: 0, used: 0, late: 0, dropped: {} })
