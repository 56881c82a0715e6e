import { type Attributes, Counter, Histogram, type Instrument, Observed, type Temporality } from './instruments.ts'
import { encodeLogs, encodeMetrics, type LogRecord, type SeverityText, type TraceContext } from './otlp.ts'

export interface TelemetryOptions {
  /** Base address, as in OTEL_EXPORTER_OTLP_ENDPOINT; undefined: nothing is sent. */
  endpoint: string | undefined
  /** Milliseconds between exports of metrics, as in OTEL_METRIC_EXPORT_INTERVAL. */
  metricInterval: number
  /** Longest time a log record waits to be sent, in milliseconds, as in OTEL_BLRP_SCHEDULE_DELAY. */
  logDelay: number
  temporality: Temporality
  resource: Attributes
}

/** Requests that may wait for a receiver that is away; beyond it the oldest is let go. */
const pendingLimit = 30
/** Log records between two exports; a process in trouble must not drown its receiver. */
const recordLimit = 200
const requestTimeout = 5_000

/**
 * The telemetry of one process: instruments and log records, sent as OTLP JSON. A request that fails is sent
 * again with the next export, in order; when thirty wait, the oldest is let go.
 */
export class Telemetry {
  readonly #options: TelemetryOptions
  readonly #instruments: Instrument[] = []
  readonly #started = Date.now()
  readonly #pending: { path: string; body: string }[] = []
  #records: LogRecord[] = []
  #suppressed = 0
  #lastRead = this.#started
  #timers: NodeJS.Timeout[] = []
  #sending: Promise<void> | undefined

  constructor(options: TelemetryOptions) {
    this.#options = options
  }

  counter(name: string, unit: string): Counter {
    return this.#add(new Counter(name, unit))
  }

  histogram(name: string): Histogram {
    return this.#add(new Histogram(name))
  }

  observe(name: string, unit: string, kind: 'gauge' | 'up-down', read: () => number): void {
    this.#add(new Observed(name, unit, kind, read))
  }

  log(severity: SeverityText, body: string, attributes: Attributes = {}, trace?: TraceContext): void {
    if (this.#records.length >= recordLimit) {
      this.#suppressed += 1
      return
    }
    this.#records.push({ time: Date.now(), severity, body, attributes, ...(trace ? { trace } : {}) })
  }

  start(): void {
    const { metricInterval, logDelay } = this.#options
    const every = (interval: number, enqueue: () => void): NodeJS.Timeout =>
      setInterval(() => {
        enqueue()
        void this.#drain()
      }, interval)
    this.#timers = [every(metricInterval, () => this.#enqueueMetrics()), every(logDelay, () => this.#enqueueLogs())]
  }

  /** Sends what there is. Never rejects. */
  flush(): Promise<void> {
    this.#enqueueMetrics()
    this.#enqueueLogs()
    return this.#drain()
  }

  /** Sends the last export; a receiver that does not answer is not waited for beyond the request timeout. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.#sending
    await this.flush()
  }

  #add<I extends Instrument>(instrument: I): I {
    this.#instruments.push(instrument)
    return instrument
  }

  #enqueueMetrics(): void {
    const { resource, temporality } = this.#options
    const now = Date.now()
    const start = temporality === 'delta' ? this.#lastRead : this.#started
    const readings = this.#instruments.map(instrument => instrument.read(temporality))
    this.#lastRead = now
    this.#enqueue('/v1/metrics', encodeMetrics(resource, readings, temporality, { start, now }))
  }

  #enqueueLogs(): void {
    if (this.#suppressed > 0) {
      const body = `${this.#suppressed} log records suppressed above ${recordLimit} per export`
      this.#records.push({ time: Date.now(), severity: 'warn', body, attributes: {} })
      this.#suppressed = 0
    }
    if (this.#records.length > 0) this.#enqueue('/v1/logs', encodeLogs(this.#options.resource, this.#records))
    this.#records = []
  }

  #enqueue(path: string, body: string): void {
    if (this.#options.endpoint !== undefined) this.#pending.push({ path, body })
    if (this.#pending.length > pendingLimit) this.#pending.shift()
  }

  /** One request at a time: two at once could arrive in the wrong order. */
  #drain(): Promise<void> {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined
    })
    return this.#sending
  }

  async #sendAll(): Promise<void> {
    for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) {
      if (await this.#send(next)) continue
      this.#pending.unshift(next)
      return
    }
  }

  /** False: worth sending again. OTLP names 429, 502, 503 and 504 as such; other refusals are final. */
  async #send({ path, body }: { path: string; body: string }): Promise<boolean> {
    try {
      const response = await fetch(`${this.#options.endpoint}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: AbortSignal.timeout(requestTimeout),
      })
      await response.arrayBuffer()
      return ![429, 502, 503, 504].includes(response.status)
    } catch {
      return false
    }
  }
}
