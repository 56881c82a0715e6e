import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, type Registry } from 'prom-client'
import { z } from 'zod'
import type { Clock } from '../operators/clock.ts'
import { duration } from '../operators/window.ts'
import type { Logger } from './sources/logger.ts'

// Further processes of this program on this machine, for further cores. Each is a member of the same consumer groups; the
// first one listens for all of them, starts again those that die, and tells their metrics with its own.

/** Which worker a process is; set in its environment by the first process. */
const INDEX = 'OPS_WORKER'

/** How long the workers have to end well, and to tell their metrics, in milliseconds. */
const ENDING = 7_500
const TELLING = 2_000

/** Waits before a worker is started again; back at the first after it lived as long as the last, in milliseconds. */
const [FIRST_WAIT, LAST_WAIT] = [1_000, 30_000]

type Metrics = MetricObjectWithValues<MetricValue<string>>[]

const Asked = z.discriminatedUnion('ask', [
  z.object({ ask: z.literal('stop') }),
  z.object({ ask: z.literal('metrics'), request: z.int() }),
])
const Told = z.object({ request: z.int(), metrics: z.array(z.custom<Metrics[number]>()) })

/** What a process is told that was started as a worker. */
export interface WorkerSide {
  /** Counted from 2: the process that started the workers is the first. */
  readonly index: number
  /** Aborted when the first process wants it to end. When that process is gone, Node ends its workers at once. */
  readonly stop: AbortSignal
  /** From now on the first process gets these when it asks for metrics. */
  tell(registry: Registry): void
}

/** This process, of this environment, as a worker; undefined where it is none. */
export function workerSide(env: Readonly<Record<string, string | undefined>>): WorkerSide | undefined {
  if (!cluster.isWorker) return undefined
  const index = env[INDEX] ?? ''
  const stop = new AbortController()
  let told: Registry | undefined
  process.on('message', async message => {
    const { data } = Asked.safeParse(message)
    if (data?.ask === 'stop') stop.abort()
    if (data?.ask === 'metrics')
      process.send?.({ request: data.request, metrics: (await told?.getMetricsAsJSON()) ?? [] })
  })
  // To be told things is no reason to live on.
  process.channel?.unref()
  return {
    index: Number(index),
    stop: stop.signal,
    tell(registry) {
      registry.setDefaultLabels({ worker: index })
      told = registry
    },
  }
}

/** The workers of this process. */
export interface Workers {
  /** Metrics of this process and of all workers that answer, each with the label `worker`. */
  metrics(own: Registry): Promise<string>
  /** Ends them all; says of each that did not end well how it ended. */
  close(): Promise<readonly string[]>
}

/** Starts `count` further processes with the words that this one was called with. */
export function startWorkers(count: number, { clock, logger }: { clock: Clock; logger: Logger }): Workers {
  const pool = new Pool(clock, logger)
  for (let index = 2; index < count + 2; index++) void pool.keep(index)
  return pool
}

class Pool implements Workers {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #living = new Map<number, Worker>()
  readonly #ending = new AbortController()
  readonly #bad: string[] = []
  #requests = 0

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  /** Has this worker run until all are to end. */
  async keep(index: number): Promise<void> {
    for (let wait = FIRST_WAIT; !this.#ending.signal.aborted; wait = Math.min(2 * wait, LAST_WAIT)) {
      const began = this.#clock.now()
      const fate = await this.#live(index)
      if (this.#ending.signal.aborted) return
      if (this.#clock.now() - began > LAST_WAIT) wait = FIRST_WAIT
      this.#logger.error({ worker: index, fate }, `worker ${index} ${fate}; it is started again in ${duration(wait)}`)
      await this.#clock.sleep(wait, this.#ending.signal)
    }
  }

  async metrics(own: Registry): Promise<string> {
    own.setDefaultLabels({ worker: '1' })
    const asked = [...this.#living.values()].map(worker => this.#ask(worker))
    const all = await Promise.all([own.getMetricsAsJSON(), ...asked])
    return AggregatorRegistry.aggregate(all).metrics()
  }

  async close(): Promise<readonly string[]> {
    this.#ending.abort()
    const living = [...this.#living]
    const ends = living.map(([, worker]) => once(worker, 'exit'))
    for (const [, worker] of living) if (worker.isConnected()) worker.send({ ask: 'stop' })
    const inTime = new AbortController()
    const late = this.#clock.sleep(ENDING, inTime.signal).then(() => {
      if (!inTime.signal.aborted) for (const worker of this.#living.values()) worker.process.kill('SIGKILL')
    })
    await Promise.all(ends)
    inTime.abort()
    await late
    return this.#bad
  }

  /** Starts a worker; what became of it. */
  async #live(index: number): Promise<string> {
    const worker = cluster.fork({ [INDEX]: String(index) })
    this.#living.set(index, worker)
    this.#logger.info({ worker: index, pid: worker.process.pid }, `worker ${index} started`)
    worker.on('error', error => this.#logger.warn({ worker: index, error }, `worker ${index} cannot be told anything`))
    const [code, signal] = (await once(worker, 'exit')) as [number | null, string | null]
    this.#living.delete(index)
    const fate = signal ? `was ended by ${signal}` : `ended with ${code}`
    if (this.#ending.signal.aborted && code !== 0) {
      this.#bad.push(`worker ${index} ${fate}`)
      this.#logger.error({ worker: index }, `worker ${index} ${fate}`)
    }
    return fate
  }

  async #ask(worker: Worker): Promise<Metrics> {
    const request = this.#requests++
    const { promise, resolve } = Promise.withResolvers<Metrics>()
    const listen = (message: unknown): void => {
      const { data } = Told.safeParse(message)
      if (data?.request === request) resolve(data.metrics)
    }
    const done = new AbortController()
    void this.#clock.sleep(TELLING, done.signal).then(() => resolve([]))
    worker.on('message', listen)
    if (worker.isConnected()) worker.send({ ask: 'metrics', request })
    return promise.finally(() => {
      worker.off('message', listen)
      done.abort()
    })
  }
}
