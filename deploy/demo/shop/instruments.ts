// The instruments of OpenTelemetry's metrics API that the shop needs, kept as OTLP wants them reported.

export type Attributes = Record<string, string | number | boolean>
export type Temporality = 'cumulative' | 'delta'

interface NumberPoint {
  attributes: Attributes
  value: number
}

interface HistogramPoint {
  attributes: Attributes
  count: number
  sum: number
  counts: number[]
}

export type Reading =
  | { name: string; unit: string; kind: 'counter' | 'up-down' | 'gauge'; points: NumberPoint[] }
  | { name: string; unit: string; kind: 'histogram'; bounds: readonly number[]; points: HistogramPoint[] }

export interface Instrument {
  /** What OTLP should say now. With `delta`, what was read is forgotten. */
  read(temporality: Temporality): Reading
}

/** Bounds in seconds that the semantic conventions advise for `http.server.request.duration`. */
export const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const

/** Points by attribute set; the order of attributes is the caller's, and each caller has one. */
class Points<P> {
  readonly #points = new Map<string, P>()
  readonly #create: (attributes: Attributes) => P

  constructor(create: (attributes: Attributes) => P) {
    this.#create = create
  }

  at(attributes: Attributes): P {
    const key = JSON.stringify(attributes)
    const found = this.#points.get(key) ?? this.#create(attributes)
    this.#points.set(key, found)
    return found
  }

  read(temporality: Temporality): P[] {
    const points = structuredClone([...this.#points.values()])
    // A delta series keeps reporting, zero included: silence must mean that the process is gone, not that all is well.
    if (temporality === 'delta')
      for (const key of this.#points.keys()) this.#points.set(key, this.#create(JSON.parse(key) as Attributes))
    return points
  }
}

/** Counts what only grows: requests, errors. */
export class Counter implements Instrument {
  readonly #name: string
  readonly #unit: string
  readonly #points = new Points<NumberPoint>(attributes => ({ attributes, value: 0 }))

  constructor(name: string, unit: string) {
    this.#name = name
    this.#unit = unit
  }

  add(value: number, attributes: Attributes = {}): void {
    this.#points.at(attributes).value += value
  }

  read(temporality: Temporality): Reading {
    return { name: this.#name, unit: this.#unit, kind: 'counter', points: this.#points.read(temporality) }
  }
}

/** The distribution of durations in seconds. */
export class Histogram implements Instrument {
  readonly #name: string
  readonly #points = new Points<HistogramPoint>(attributes => ({
    attributes,
    count: 0,
    sum: 0,
    counts: new Array<number>(durationBounds.length + 1).fill(0),
  }))

  constructor(name: string) {
    this.#name = name
  }

  record(seconds: number, attributes: Attributes): void {
    const point = this.#points.at(attributes)
    const above = durationBounds.findIndex(bound => seconds <= bound)
    const bucket = above === -1 ? durationBounds.length : above
    point.count += 1
    point.sum += seconds
    point.counts[bucket] = (point.counts[bucket] ?? 0) + 1
  }

  read(temporality: Temporality): Reading {
    return {
      name: this.#name,
      unit: 's',
      kind: 'histogram',
      bounds: durationBounds,
      points: this.#points.read(temporality),
    }
  }
}

/** Something asked for its value whenever metrics are read: memory, utilisation, the depth of a queue. */
export class Observed implements Instrument {
  readonly #reading: { name: string; unit: string; kind: 'gauge' | 'up-down' }
  readonly #observe: () => number

  /** `up-down`: values of several instances may be added up (memory); `gauge`: they may not (utilisation). */
  constructor(name: string, unit: string, kind: 'gauge' | 'up-down', observe: () => number) {
    this.#reading = { name, unit, kind }
    this.#observe = observe
  }

  read(): Reading {
    return { ...this.#reading, points: [{ attributes: {}, value: this.#observe() }] }
  }
}
