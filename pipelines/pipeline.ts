import type { z } from 'zod'
import type { Bound, Event } from '../operators/operator.ts'
import { duration, type Windowing } from '../operators/window.ts'
import type { Row } from '../sinks/store.ts'

/** How events reach a step. */
export interface By<T> {
  /** What state is held by. */
  readonly key: (value: T) => string
  readonly window?: Windowing
  /**
   * True (the default without a window): the events of a key come behind the watermark, sorted by time and origin.
   * False (the default with one): they come as they arrive, so the step must not mind their order.
   */
  readonly ordered?: boolean
  /** How far behind the watermark the step runs, in milliseconds; a window's own lateness is added to it. */
  readonly lateness?: number
  /** Event time, in milliseconds, after which a key without events is forgotten, unless it waits for a timer. */
  readonly forgetAfter?: number
}

export interface StepNode {
  readonly kind: 'step'
  readonly id: string
  readonly from: readonly number[]
  readonly bound: Bound<unknown, unknown, unknown>
  readonly key: (value: unknown) => string
  readonly window: Windowing | undefined
  readonly ordered: boolean
  readonly lateness: number
  readonly forgetAfter: number | undefined
}
export interface SelectNode {
  readonly kind: 'select'
  readonly id: string
  readonly from: readonly number[]
  readonly test: (value: unknown) => boolean
}
export interface LateNode {
  readonly kind: 'late'
  readonly id: string
  /** The step whose late events these are. */
  readonly from: readonly number[]
}
export interface TableNode {
  readonly kind: 'table'
  readonly id: string
  readonly from: readonly number[]
  readonly row: (event: Event<unknown>) => Row
}
export interface TopicNode {
  readonly kind: 'topic'
  readonly id: string
  readonly from: readonly number[]
  readonly key: (value: unknown) => string
  readonly partitionKey: (value: unknown) => string
  /** Whether this pipeline's progress is told to the readers of the topic. */
  readonly marks: boolean
}
export interface SourceNode {
  readonly kind: 'source'
  readonly id: string
  readonly from: readonly number[]
}
export type Node = SourceNode | StepNode | SelectNode | LateNode | TableNode | TopicNode

/** What a pipeline is: data, in an order where each node stands behind those it reads. */
export interface Graph {
  readonly name: string
  readonly topic: string
  readonly schema: z.ZodType
  /** Pipelines that publish to `topic`: the watermark waits for all their partitions. */
  readonly upstream: readonly string[]
  readonly nodes: readonly Node[]
}

/** Values flowing out of a node. Immutable; each method adds a node to the pipeline and returns its stream. */
export class Stream<T> {
  readonly #nodes: Node[]
  readonly #from: readonly number[]

  constructor(nodes: Node[], from: readonly number[]) {
    this.#nodes = nodes
    this.#from = from
  }

  /** Runs a step. `id` names its state in every checkpoint: renaming it abandons that state. */
  through<S, O>(id: string, bound: Bound<S, T, O>, by: By<T>): Stream<O> {
    const logic = bound.create()
    if (logic.close && !by.window)
      throw new Error(`pipeline step '${id}': ${bound.name} closes windows and was given none; give it a window`)
    if (by.window && !logic.close)
      throw new Error(`pipeline step '${id}': ${bound.name} closes no windows; leave its window out`)
    if (logic.wake && by.ordered === false)
      throw new Error(`pipeline step '${id}': ${bound.name} sets timers, so it runs in order; leave out ordered: false`)
    return this.#add({
      kind: 'step',
      id,
      from: this.#from,
      bound: bound as unknown as StepNode['bound'],
      key: by.key as StepNode['key'],
      window: by.window,
      ordered: by.ordered ?? !by.window,
      lateness: (by.lateness ?? 0) + (by.window?.lateness ?? 0),
      forgetAfter: by.forgetAfter,
    })
  }

  /** Keeps only some of the values. */
  select<U extends T>(id: string, test: ((value: T) => value is U) | ((value: T) => boolean)): Stream<U> {
    return this.#add({ kind: 'select', id, from: this.#from, test: test as (value: unknown) => boolean })
  }

  /** Both streams as one. */
  merge<U>(other: Stream<U>): Stream<T | U> {
    return new Stream(this.#nodes, [...this.#from, ...other.#from])
  }

  /** The events that came too late for this step, as they came. */
  late<I>(): Stream<I> {
    const node = this.#nodes[this.#from[0]!]!
    return this.#add({ kind: 'late', id: `${node.id}.late`, from: this.#from })
  }

  /** Writes a row per event. */
  to(table: string, row: (event: Event<T>) => Row): this {
    this.#add({ kind: 'table', id: table, from: this.#from, row: row as TableNode['row'] })
    return this
  }

  /** Writes a record per event; records of one partition key stay in order. */
  publish(
    topic: string,
    options: { key: (value: T) => string; partitionKey?: (value: T) => string; marks?: boolean },
  ): this {
    const key = options.key as TopicNode['key']
    const partitionKey = (options.partitionKey ?? options.key) as TopicNode['key']
    this.#add({ kind: 'topic', id: topic, from: this.#from, key, partitionKey, marks: options.marks ?? true })
    return this
  }

  #add<U>(node: Node): Stream<U> {
    const named = (other: Node): boolean => other.kind === node.kind && other.id === node.id
    if (node.kind === 'step' && this.#nodes.some(named))
      throw new Error(`pipeline step '${node.id}' is there twice; ids name state, give each its own`)
    this.#nodes.push(node)
    return new Stream(this.#nodes, [this.#nodes.length - 1])
  }
}

/**
 * Builds a pipeline: one topic in, steps, tables and topics out.
 * @throws {Error} if a step that closes windows is given none, or an id is used twice
 */
export function pipeline<T>(
  source: {
    name: string
    topic: string
    schema: z.ZodType<T>
    upstream: readonly string[]
  },
  build: (events: Stream<T>) => void,
): Graph {
  const nodes: Node[] = [{ kind: 'source', id: source.topic, from: [] }]
  build(new Stream<T>(nodes, [0]))
  return { ...source, nodes }
}

/** Prints a pipeline as text, for people and for golden tests. */
export function describe(graph: Graph): string {
  const name = (index: number): string => graph.nodes[index]!.id
  const lines = graph.nodes.map(node => {
    const from = node.from.map(name).join(' + ')
    if (node.kind === 'source') return `${node.id} (topic)`
    if (node.kind === 'select') return `${from} -> ${node.id} (some)`
    if (node.kind === 'late') return `${from} -> ${node.id} (late events)`
    if (node.kind === 'table') return `${from} => ${node.id} (table)`
    if (node.kind === 'topic') return `${from} => ${node.id} (topic${node.marks ? ', with marks' : ''})`
    const how = [
      node.window ? `in ${JSON.stringify(node.window)}` : '',
      node.ordered ? 'ordered' : 'as they come',
      node.forgetAfter === undefined ? '' : `forgotten after ${duration(node.forgetAfter)}`,
    ]
    return `${from} -> ${node.id} (${node.bound.name} ${JSON.stringify(node.bound.config)} ${how.filter(Boolean).join(', ')})`
  })
  return [`pipeline ${graph.name}`, ...lines.map(line => `  ${line}`)].join('\n')
}
