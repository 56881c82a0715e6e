import type { NewRecord } from '../../../pipelines/sources/log.ts'
import { dice } from '../../kit/corpus.ts'
import { attribute } from '../../otlp-messages.ts'

export interface TelemetryOptions {
  readonly seed: number
  /** At least this many lines and samples, without those that only move time on at the end. */
  readonly events: number
  readonly partitions: number
}

/** Telemetry of a small company over two hours, the same for the same seed. */
export interface Telemetry {
  /** Consecutive stretches of event time; the first holds a record of every partition. */
  readonly stretches: readonly (readonly NewRecord[])[]
  /** A record for each partition, so much later that every window and timer before it is due. */
  readonly end: readonly NewRecord[]
  readonly lines: number
  readonly samples: number
  /** Records that nobody can read. */
  readonly unreadable: number
}

const START = Date.UTC(2026, 0, 5)
const TICK = 5_000
const TICKS = 1_440
/** Ticks between two samples of a series. */
const SAMPLED = 3
const HOUR = 3_600_000

const environments = ['production', 'staging', 'europe']
const names = ['checkout', 'payments', 'catalog', 'search', 'gateway', 'mail', 'stock', 'login', 'carts', 'prices']
const metrics = ['process.cpu.utilization', 'http.server.request.duration', 'queue.depth', 'pool.connections']
const instances = ['a', 'b']
const messages: readonly ((random: () => number) => string)[] = [
  random => `request ${hex(random)} answered with 200 in ${whole(random, 400)} ms`,
  random => `session of user ${whole(random, 90_000)} opened from 10.0.${whole(random, 250)}.${whole(random, 250)}`,
  random => `cache entry ${hex(random)} is ${whole(random, 100)} s old and was fetched again`,
  random => `job ${whole(random, 1e6)} finished after ${whole(random, 9)} attempts`,
  random => `wrote ${whole(random, 65_000)} bytes to block blk_${whole(random, 1e9)}`,
  random => `queue of worker ${whole(random, 8)} holds ${whole(random, 50)} messages`,
]

const whole = (random: () => number, below: number): number => Math.floor(random() * below)
const hex = (random: () => number): string => whole(random, 2 ** 32).toString(16)

interface Service {
  readonly environment: string
  readonly name: string
  readonly index: number
}

const services: readonly Service[] = environments.flatMap(environment =>
  names.map((name, at) => ({ environment, name, index: environments.indexOf(environment) * names.length + at })),
)

/**
 * Makes it. Records of a service are spread over all partitions; most are up to 20 s out of order, a few minutes late,
 * and a few cannot be read. Some services have a burst of a new error, and some a step in a metric.
 */
export function telemetry({ seed, events, partitions }: TelemetryOptions): Telemetry {
  const made = new Making(seed, partitions, linesPerTick(events))
  const stretches: NewRecord[][] = [made.everywhere(START)]
  for (let tick = 0; tick < TICKS; tick += 6) {
    const stretch: NewRecord[] = []
    for (let at = tick; at < tick + 6; at++) stretch.push(...made.tick(at))
    stretches.push(stretch)
  }
  const { lines, samples, unreadable } = made
  return { stretches, end: made.everywhere(START + TICKS * TICK + 12 * HOUR), lines, samples, unreadable }
}

/** Lines of a service in a tick, such that lines and samples are so many together. */
function linesPerTick(events: number): number {
  const samples = (TICKS / SAMPLED) * services.length * metrics.length * instances.length
  const lines = Math.max(events - samples, events / 4)
  return lines / (TICKS * services.length)
}

class Making {
  lines = 0
  samples = 0
  unreadable = 0
  readonly #random: () => number
  readonly #partitions: number
  readonly #perTick: number
  #owed = 0

  constructor(seed: number, partitions: number, perTick: number) {
    this.#random = dice(seed)
    this.#partitions = partitions
    this.#perTick = perTick
  }

  /** A line and a sample for every partition. */
  everywhere(time: number): NewRecord[] {
    const [service] = services
    this.lines += this.#partitions
    this.samples += this.#partitions
    return Array.from({ length: this.#partitions }, (_, partition) => [
      log(partition, jsonLine(service!, time, `clock of partition ${partition} is right`, 'info')),
      metric(partition, gauges(service!, 'clock', time, [{ name: 'clock.drift', value: 0.5 }])),
    ]).flat()
  }

  *tick(tick: number): Generator<NewRecord> {
    const time = START + tick * TICK
    for (const service of services) {
      this.#owed += this.#perTick
      const count = Math.floor(this.#owed)
      this.#owed -= count
      yield* this.#log(service, tick, time, count)
      if ((tick + service.index) % SAMPLED === 0) yield* this.#metrics(service, tick, time)
    }
    if (this.#random() < 0.05) {
      this.unreadable++
      yield log(this.#any(), '{"resourceLogs":[{"scopeLogs":[{"logRecords":[5]}]}]}')
    }
  }

  *#log(service: Service, tick: number, time: number, count: number): Generator<NewRecord> {
    const bodies = Array.from({ length: count }, () =>
      messages[(whole(this.#random, 3) + service.index) % 6]!(this.#random),
    )
    if (hasBurst(service, tick))
      for (let n = 0; n < 4; n++)
        bodies.push(`connection to ${service.name}-db refused after ${whole(this.#random, 5_000)} ms`)
    this.lines += bodies.length
    const when = (): number => this.#when(time)
    if (service.index % 2 === 0)
      for (const body of bodies) yield log(this.#any(), jsonLine(service, when(), body, levelOf(body)))
    else if (bodies.length > 0) yield log(this.#any(), otlpLines(service, when(), bodies))
  }

  *#metrics(service: Service, tick: number, time: number): Generator<NewRecord> {
    for (const instance of instances) {
      const points = metrics.map((name, at) => ({ name, value: this.#value(service, at, tick) }))
      this.samples += points.length
      yield metric(this.#any(), gauges(service, instance, this.#when(time), points))
    }
  }

  #value(service: Service, metric: number, tick: number): number {
    const level = 10 + service.index + 5 * metric
    const step = service.index % 7 === 3 && metric === 1 && tick >= 720 && tick < 900 ? 4 : 1
    return Math.round(1_000 * level * step * (1 + 0.1 * this.#random())) / 1_000
  }

  /** Most are late by less than what is allowed; one in five hundred by minutes. */
  #when(time: number): number {
    const late = this.#random() < 0.002 ? 60_000 + whole(this.#random, 240_000) : 0
    return Math.max(START, time - whole(this.#random, 20_000) - late)
  }

  #any(): number {
    return whole(this.#random, this.#partitions)
  }
}

const hasBurst = ({ index }: Service, tick: number): boolean => index % 10 === 4 && tick >= 960 && tick < 1_020

const levelOf = (body: string): string => (body.startsWith('connection') ? 'error' : 'info')

const log = (partition: number, value: string): NewRecord => ({ topic: 'telemetry.logs', key: null, partition, value })
const metric = (partition: number, value: string): NewRecord => ({
  ...{ topic: 'telemetry.metrics', key: null, partition, value },
})

const jsonLine = ({ environment, name }: Service, time: number, message: string, level: string): string =>
  JSON.stringify({ timestamp: new Date(time).toISOString(), level, environment, service: name, message })

const resource = ({ environment, name }: Service, instance: string) => ({
  attributes: [
    attribute('service.name', name),
    attribute('deployment.environment.name', environment),
    attribute('service.instance.id', instance),
  ],
})

function otlpLines(service: Service, time: number, bodies: readonly string[]): string {
  const logRecords = bodies.map((body, at) => ({
    timeUnixNano: `${time + at}000000`,
    severityNumber: levelOf(body) === 'error' ? 17 : 9,
    body: { stringValue: body },
  }))
  return JSON.stringify({ resourceLogs: [{ resource: resource(service, 'a'), scopeLogs: [{ logRecords }] }] })
}

function gauges(service: Service, instance: string, time: number, points: readonly { name: string; value: number }[]) {
  const metrics = points.map(({ name, value }) => ({
    name,
    unit: '1',
    gauge: { dataPoints: [{ timeUnixNano: `${time}000000`, asDouble: value }] },
  }))
  return JSON.stringify({ resourceMetrics: [{ resource: resource(service, instance), scopeMetrics: [{ metrics }] }] })
}
