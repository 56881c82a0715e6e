import type { Graph } from '../pipeline.ts'
import type { Batch, Log, Reader, Subscription } from '../sources/log.ts'
import { type RevocationReport, revocations } from './reports.ts'
import { Task, type TaskOptions } from './task.ts'

export interface RunnerOptions extends Omit<TaskOptions, 'partition' | 'partitions' | 'expected'> {
  readonly graph: Graph
  readonly group: string
  readonly log: Log
  /** Pipelines that publish to our topic, and how many partitions each has. */
  readonly upstream: readonly { name: string; partitions: number }[]
  readonly start: 'earliest' | 'latest'
  /** Milliseconds between the looks at a partition that is read to its end. */
  readonly idleEvery: number
}

/** Runs a pipeline as one member of its group: a task for each partition that is ours. */
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
      return task?.rested === true && (task.next ?? 0) >= end
    })
  }

  async assigned(_topic: string, partition: number): Promise<number | undefined> {
    const expected = this.#options.upstream.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, index) => `${name}/${index}`),
    )
    const task = await Task.open({ ...this.#options, partition, partitions: this.#partitions, expected })
    this.#tasks.set(partition, task)
    return task.next
  }

  async batch(batch: Batch): Promise<void> {
    await this.#commit(batch.partition, await this.#tasks.get(batch.partition)?.batch(batch))
  }

  async idle(_topic: string, partition: number): Promise<void> {
    await this.#commit(partition, await this.#tasks.get(partition)?.idle())
  }

  async revoked(_topic: string, partition: number): Promise<void> {
    await this.#commit(partition, await this.#tasks.get(partition)?.close())
    this.#tasks.delete(partition)
    const { name: pipeline, topic } = this.#options.graph
    revocations.publish({ pipeline, topic, partition } satisfies RevocationReport)
  }

  async #commit(partition: number, next: number | undefined): Promise<void> {
    if (next !== undefined) await this.#subscription?.commit(this.#options.graph.topic, partition, next)
  }
}
