import { createServer, type Server } from 'node:http'
import { listen } from './render/listen.ts'

// For the tests of the demo: an OTLP receiver that keeps what it gets, and waiting for a condition.

type KeyValue = { key: string; value: Record<string, string | number | boolean> }

interface Point {
  attributes: KeyValue[]
  timeUnixNano: string
  asInt?: string
  asDouble?: number
  count?: string
  sum?: number
  bucketCounts?: string[]
}

interface Metric {
  name: string
  unit: string
  gauge?: { dataPoints: Point[] }
  sum?: { aggregationTemporality: number; isMonotonic: boolean; dataPoints: Point[] }
  histogram?: { aggregationTemporality: number; dataPoints: Point[] }
}

export interface ReceivedMetric {
  service: string
  instance: string
  metric: Metric
  points: Point[]
}

export interface ReceivedLog {
  service: string
  severityNumber: number
  body: string
  traceId: string | undefined
}

const textOf = (attributes: KeyValue[], key: string): string =>
  String(Object.values(attributes.find(attribute => attribute.key === key)?.value ?? {})[0] ?? '')

/** Keeps every metric and log record it is sent; `answer` is the status it answers with. */
export class Receiver {
  readonly metrics: ReceivedMetric[] = []
  readonly logs: ReceivedLog[] = []
  readonly bodies: string[] = []
  answer = 200
  url = ''
  readonly #server: Server = createServer(async (incoming, outgoing) => {
    let text = ''
    for await (const chunk of incoming.setEncoding('utf8')) text += chunk
    if (this.answer === 200) this.#keep(text)
    outgoing.writeHead(this.answer, { 'content-type': 'application/json' }).end('{}')
  })

  async listen(): Promise<this> {
    this.url = `http://127.0.0.1:${await listen(this.#server, 0)}`
    return this
  }

  /** Values of a metric of a service, oldest first: of a histogram the mean of each point. */
  values(service: string, name: string): number[] {
    return this.metrics
      .filter(received => received.service === service && received.metric.name === name)
      .flatMap(received => received.points)
      .filter(point => point.count !== '0')
      .map(point => (point.count ? (point.sum ?? 0) / Number(point.count) : Number(point.asInt ?? point.asDouble)))
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #keep(text: string): void {
    this.bodies.push(text)
    const { resourceMetrics = [], resourceLogs = [] } = JSON.parse(text)
    for (const { resource, scopeMetrics } of resourceMetrics)
      for (const metric of scopeMetrics[0].metrics as Metric[])
        this.metrics.push({
          service: textOf(resource.attributes, 'service.name'),
          instance: textOf(resource.attributes, 'service.instance.id'),
          metric,
          points: (metric.gauge ?? metric.sum ?? metric.histogram)?.dataPoints ?? [],
        })
    for (const { resource, scopeLogs } of resourceLogs)
      for (const { severityNumber, body, traceId } of scopeLogs[0].logRecords)
        this.logs.push({
          service: textOf(resource.attributes, 'service.name'),
          severityNumber,
          body: body.stringValue,
          traceId,
        })
  }
}

/** Resolves with the first answer that is neither undefined nor false; fails, naming `what`, after `deadline` ms. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  deadline = 20_000,
): Promise<T> {
  const end = Date.now() + deadline
  while (Date.now() < end) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  throw new Error(`not within ${deadline} ms: ${what}`)
}

/** Whether a process runs. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
