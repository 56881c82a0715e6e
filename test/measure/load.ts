// Telemetry of a fleet in steady operation, made from numbers: the same for the same parameters.

/** Series, and patterns, of one service. */
export const perService = 100

/** Event time between two samples of a series, and two lines of a pattern, in milliseconds. */
export const every = 15_000

/** One request of one service: all its series, or all its patterns, once. */
export interface Request {
  readonly path: '/v1/metrics' | '/v1/logs'
  readonly body: string
  readonly events: number
}

export interface LoadOptions {
  /** Series, and as many patterns. */
  readonly keys: number
  /** Event time of the first sample, in milliseconds. */
  readonly start: number
  /** Share of the services that vanish with each sweep, and are followed by new ones. Default none. */
  readonly churn?: number
}

/** Endless requests in the order of event time: sweep after sweep over the services, `every` apart. */
export function* load({ keys, start, churn = 0 }: LoadOptions): Generator<Request> {
  const services = Math.max(1, Math.round(keys / perService))
  for (let sweep = 0; ; sweep++)
    for (let place = 0; place < services; place++) {
      const time = start + sweep * every + Math.floor((place / services) * every)
      const service = nameOf(place, services, sweep, churn)
      yield { path: '/v1/metrics', body: metricsOf(service, time), events: perService }
      yield { path: '/v1/logs', body: linesOf(service, time), events: perService }
    }
}

/** Who stands in a place changes every `1 / churn` sweeps, in each place at another sweep. */
function nameOf(place: number, services: number, sweep: number, churn: number): string {
  const turn = churn === 0 ? 0 : Math.floor(sweep * churn + place / services)
  return `service-${place}-${turn}`
}

const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } })
const resourceOf = (service: string) => ({ attributes: [attribute('service.name', service)] })

function metricsOf(service: string, time: number): string {
  const timeUnixNano = `${time}000000`
  const metrics = Array.from({ length: perService / 10 }, (_, metric) => ({
    name: `work.${words[metric]}.depth`,
    gauge: {
      dataPoints: Array.from({ length: 10 }, (_, queue) => ({
        timeUnixNano,
        asDouble: 50 + 10 * metric + 5 * noise(time + 31 * metric + queue),
        attributes: [attribute('queue', words[queue]!)],
      })),
    },
  }))
  return JSON.stringify({ resourceMetrics: [{ resource: resourceOf(service), scopeMetrics: [{ metrics }] }] })
}

function linesOf(service: string, time: number): string {
  const logRecords = Array.from({ length: perService }, (_, pattern) => ({
    timeUnixNano: `${time + pattern}000000`,
    severityNumber: 9,
    body: { stringValue: lineOf(pattern, time) },
  }))
  return JSON.stringify({ resourceLogs: [{ resource: resourceOf(service), scopeLogs: [{ logRecords }] }] })
}

/** Six words of its own and two numbers: no two patterns are alike, and all lines of one are. */
function lineOf(pattern: number, time: number): string {
  const [a, b] = [words[pattern % 10]!, words[Math.floor(pattern / 10)]!]
  const own = `${a}${b}`
  return `${own} handler${own} took ${noise(time + pattern).toFixed(3)} ms for ${b}${a}${own} in step${a}${b} of ${time % 977} ${own}s`
}

const words = ['amber', 'birch', 'cedar', 'delta', 'ember', 'fjord', 'grove', 'heath', 'inlet', 'jetty']

/** Between -1 and 1, of no pattern, the same for the same number. */
function noise(seed: number): number {
  const mixed = Math.imul((seed ^ (seed >>> 15)) | 1, 0x2c1b3c6d)
  return (((mixed ^ (mixed >>> 12)) >>> 0) / 0xffffffff) * 2 - 1
}
