import type { Event, EventTime, Origin } from '../../operators/operator.ts'
import { serviceKey, type Telemetry } from '../../operators/signal.ts'
import type { LogRecord } from '../sources/log.ts'
import { type Labels, type Place, placeOf } from './place.ts'

/** Why something that entered could not be read. Closed: a new reason is a line of the changelog. */
export const deadReasons = {
  empty: 'The record holds nothing: no value, only blanks, or a request without a single entry.',
  undecodable: 'The bytes are neither JSON, OTLP protobuf nor UTF-8 text.',
  'invalid-json': 'The text begins as JSON and is not.',
  'truncated-protobuf': 'The bytes begin as an OTLP protobuf message and end before it does, or break its rules.',
  'unknown-schema': 'The record is framed for a schema registry, and the schema of its id is not known.',
  unsupported: 'The record is telemetry of a kind that is not read, such as OTLP spans.',
  'wrong-type': 'A field that is needed is missing, or is not of the type it must be.',
  'too-large': 'One line, log record or point is larger than the limit (decode.maxEventBytes).',
  'implausible-time': 'The time lies too far from when the record was appended (decode.maxSkew).',
} as const
export type DeadReason = keyof typeof deadReasons

/** Why something that was read well is deliberately not used. */
export const dropReasons = {
  'no-value':
    'The point says that nothing was measured: NaN, an infinity, or the no-recorded-value flag of a series that ended.',
} as const
export type DropReason = keyof typeof dropReasons

/** A part of a record that could not be read. `index`: its position among the parts of the record, from 0. */
export interface DeadPart {
  readonly index: number
  readonly reason: DeadReason
  /** One sentence for people. */
  readonly detail: string
}

/** What became of a record: each of its parts is an event, dead with a reason, or dropped. */
export interface Decoded {
  readonly events: Event<Telemetry>[]
  readonly dead: DeadPart[]
  /** Parts that carried nothing to use, counted by reason; no dead letter is due. */
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>
}

export interface DecodeContext {
  /** Environment of telemetry that names none. */
  readonly environment: string
  /** Turns an alias of services.yaml into the service's name; anything else it answers unchanged. */
  readonly canonicalService?: (name: string) => string
  /** Most bytes of one line, log record or point, both as it comes and as it is passed on. */
  readonly maxEventBytes: number
  /** How far a time may lie from the record's append time, in milliseconds. */
  readonly maxSkew: { readonly past: number; readonly future: number }
}

/** Kafka takes 1,048,588 bytes a batch by default, headers included; the collector's producer stays below 1,000,000. */
export const defaultContext: DecodeContext = {
  environment: 'production',
  maxEventBytes: 1_000_000,
  maxSkew: { past: 3_653 * 86_400_000, future: 86_400_000 },
}

/** Headers that whoever appends a record may set for its reader. */
export const entryHeaders = {
  contentType: 'content-type',
  /** Stream of the record's origin; `ops-offset` is then its position in it. */
  origin: 'ops-origin',
  offset: 'ops-offset',
  /** Milliseconds since 1970: years missing in lines are counted back from it. */
  reference: 'ops-reference-time',
  /** Milliseconds since 1970: the time of the line before the record's first, for lines without one. */
  previous: 'ops-previous-time',
  service: 'ops-service',
  environment: 'ops-environment',
  /** `1`: the record is old on purpose, so times long past are plausible. */
  historical: 'ops-historical',
  /** The line was longer than a record can be: its bytes. The value is only its beginning. */
  lineBytes: 'ops-line-bytes',
  /** Metric of a CSV file without a column that names it. */
  metric: 'ops-metric',
  /** Heading row of a CSV file. */
  columns: 'ops-columns',
} as const

/** A part of a record cannot be read; caught where the part begins, so that the rest of the record goes on. */
export class Unreadable extends Error {
  readonly reason: DeadReason
  constructor(reason: DeadReason, detail: string) {
    super(detail)
    this.reason = reason
  }
}

/** Gathers what becomes of a record's parts, in order, and gives each its index. */
export class Parts {
  readonly record: LogRecord
  readonly context: DecodeContext
  readonly #events: Event<Telemetry>[] = []
  readonly #dead: DeadPart[] = []
  readonly #dropped: Partial<Record<DropReason, number>> = {}
  readonly #stream: string
  readonly #earliest: EventTime
  readonly #latest: EventTime
  #index = 0
  #line: { offset: number; index: number } | undefined
  #place = ''
  #key = ''
  #lastTime: EventTime | undefined
  readonly #only: ReadonlySet<number> | undefined

  constructor(record: LogRecord, context: DecodeContext, only?: ReadonlySet<number>) {
    this.record = record
    this.context = context
    this.#only = only
    this.#stream = record.headers[entryHeaders.origin] ?? `topic:${record.topic}/${record.partition}`
    const old = record.headers[entryHeaders.historical] === '1'
    this.#earliest = old ? Number.NEGATIVE_INFINITY : record.appendedAt - context.maxSkew.past
    this.#latest = record.appendedAt + context.maxSkew.future
  }

  /** Time of the newest part that became an event. */
  get lastTime(): EventTime | undefined {
    return this.#lastTime
  }

  /** Header of the record, by its meaning. */
  header(name: keyof typeof entryHeaders): string | undefined {
    return this.record.headers[entryHeaders[name]]
  }

  /** The place attributes speak of, else that of the record's headers, else the context's. */
  placeOf(attributes: Readonly<Labels>): Place {
    return placeOf(attributes, this.context, this.header('service'), this.header('environment'))
  }

  /** From here on, parts belong to the line at this byte of the record's origin. */
  line(offset: number): void {
    this.#line = { offset, index: 0 }
  }

  /** A part that was read; false if it is dead after all, for its time or its size. */
  event(value: Telemetry, time: EventTime): boolean {
    const problem = this.#implausible(time)
    if (problem !== undefined) this.dead('implausible-time', problem)
    const key = this.#keyOf(value)
    const bytes = problem === undefined ? excessOf(value, key, this.#stream, this.context.maxEventBytes) : 0
    if (bytes > 0) this.tooLarge(value.type === 'log' ? 'the log record as JSON' : 'the point as JSON', bytes)
    if (problem !== undefined || bytes > 0) return false
    this.#lastTime = time
    const index = this.#index++
    const origin: Origin = {
      stream: this.#stream,
      offset: this.#line?.offset ?? this.record.offset,
      index: this.#line === undefined ? index : this.#line.index++,
    }
    if (this.#isMeant(index)) this.#events.push({ key, time, origin, value })
    return true
  }

  tooLarge(what: string, bytes: number): void {
    const limit = this.context.maxEventBytes
    this.dead(
      'too-large',
      `${what} has ${bytes} bytes, the limit is ${limit}; shorten it or raise decode.maxEventBytes`,
    )
  }

  dead(reason: DeadReason, detail: string): void {
    const index = this.#index++
    if (this.#isMeant(index)) this.#dead.push({ index, reason, detail })
  }

  dropped(reason: DropReason): void {
    if (this.#isMeant(this.#index++)) this.#dropped[reason] = (this.#dropped[reason] ?? 0) + 1
  }

  /** Runs `read` for one part; what it throws as `Unreadable` ends that part alone. */
  attempt(read: () => void): void {
    try {
      read()
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      this.dead(error.reason, error.message)
    }
  }

  /** Ends the record; one of which nothing came is dead. */
  end(): Decoded {
    if (this.#index === 0) this.dead('empty', 'the record holds no entry')
    return { events: this.#events, dead: this.#dead, dropped: this.#dropped }
  }

  #isMeant(index: number): boolean {
    return this.#only === undefined || this.#only.has(index)
  }

  #implausible(time: EventTime): string | undefined {
    if (time >= this.#earliest && time <= this.#latest) return undefined
    const written = Number.isFinite(time) && Math.abs(time) < 8.64e15 ? new Date(time).toISOString() : String(time)
    const appended = new Date(this.record.appendedAt).toISOString()
    return `time ${written} is implausible for a record appended at ${appended}; correct the sender's clock, raise decode.maxSkew, or replay it as a file`
  }

  /** Parts of a record mostly come from one place, so its key is kept. */
  #keyOf(value: Telemetry): string {
    const place = `${value.environment}\n${value.service}`
    if (place !== this.#place) {
      this.#place = place
      this.#key = serviceKey(value)
    }
    return this.#key
  }
}

/**
 * The bytes of an event as it is passed on, if they are more than the limit, else 0. As JSON a text of quotes or control
 * characters is several times as long as it came, and a log that refused it would stop everything behind it.
 */
function excessOf(value: Telemetry, key: string, stream: string, limit: number): number {
  const labels = value.type === 'log' ? value.attributes : value.type === 'sample' ? value.labels : {}
  const text = value.type === 'log' ? value.body : value.type === 'change' ? value.summary : value.metric
  // The key is there twice: the value names environment and service, too.
  let characters = text.length + 2 * key.length + stream.length
  let names = 0
  for (const name in labels) {
    characters += name.length + labels[name]!.length
    names++
  }
  // A UTF-16 unit is at most six bytes of JSON, a label has six of punctuation: only what may exceed is measured.
  if (6 * (characters + names) + OVERHEAD <= limit) return 0
  const bytes = Buffer.byteLength(JSON.stringify(value)) + Buffer.byteLength(key) + Buffer.byteLength(stream)
  return bytes > limit ? bytes : 0
}

/** More than the names and numbers of an event take as JSON. */
const OVERHEAD = 1_000
