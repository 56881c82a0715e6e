import type protobuf from 'protobufjs'
import { type Parts, Unreadable } from './decoded.ts'
import { readOtlpLogs } from './otlp-logs.ts'
import { type MetricKind, readOtlpMetrics } from './otlp-metrics.ts'
import { otlp } from './otlp-schema.ts'

// OTLP in protobuf. Its three requests look alike from outside (resources, scopes and entries, each field 1 or 2), so
// what they are is told from the wire types of the entries' fields.

export type Signal = 'logs' | 'metrics' | 'spans'

/** What bytes are, seen as an OTLP request: `none` breaks its structure; `empty` has no entry that tells. */
export type Shape = Signal | 'empty' | 'truncated' | 'none'

const varint = 0
const fixed64 = 1
const length = 2
const fixed32 = 5

/** Wire types of an entry's fields, by field number (opentelemetry-proto v1). */
const entryFields: Record<Signal, ReadonlyMap<number, number>> = {
  logs: new Map([
    ...[1, 11].map(id => [id, fixed64] as const),
    ...[2, 7].map(id => [id, varint] as const),
    ...[3, 5, 6, 9, 10, 12].map(id => [id, length] as const),
    [8, fixed32],
  ]),
  metrics: new Map([1, 2, 3, 5, 7, 9, 10, 11, 12].map(id => [id, length] as const)),
  spans: new Map([
    ...[1, 2, 3, 4, 5, 9, 11, 13, 15].map(id => [id, length] as const),
    ...[6, 10, 12, 14].map(id => [id, varint] as const),
    ...[7, 8].map(id => [id, fixed64] as const),
    [16, fixed32],
  ]),
}
/** In this order, an entry is the first of what it fits: a log's few fields may be anything's, a metric's also a span's. */
const signals = ['logs', 'metrics', 'spans'] as const

interface Field {
  readonly id: number
  readonly wire: number
  /** The value's bytes; `to` is cut at the end of what surrounds it. */
  readonly from: number
  readonly to: number
  /** The value goes on behind the end. */
  readonly cut: boolean
}

/** The fields of a message in `[from, to)`; ends with `null` where the bytes stop being fields. */
function* fieldsOf(bytes: Uint8Array, from: number, to: number): Generator<Field | null> {
  let at = from
  const read = (): number | undefined => {
    let value = 0
    for (let shift = 1; at < to && shift < 2 ** 63; shift *= 128) {
      const byte = bytes[at++]!
      value += (byte & 127) * shift
      if (byte < 128) return value
    }
    return undefined
  }
  while (at < to) {
    const tag = read()
    if (tag === undefined) return yield at === to ? { id: 0, wire: -1, from: at, to, cut: true } : null
    const [id, wire] = [Math.floor(tag / 8), tag % 8]
    let size: number | undefined
    if (wire === fixed64) size = 8
    else if (wire === fixed32) size = 4
    else if (wire === length || wire === varint) {
      const value = read()
      if (value === undefined) return yield at === to ? { id, wire, from: at, to, cut: true } : null
      size = wire === length ? value : 0
    }
    if (size === undefined || id === 0) return yield null
    yield { id, wire, from: at, to: Math.min(at + size, to), cut: at + size > to }
    at = Math.min(at + size, to)
  }
}

/** How many entries are looked at to tell what a request is; a few may be spoilt. */
const enough = 16

/** Tells what a request is by its structure alone. `hint` decides where the entries do not tell. */
export function shapeOf(bytes: Uint8Array, hint = ''): Shape {
  const votes: Record<Signal, number> = { logs: 0, metrics: 0, spans: 0 }
  const state = { entries: 0 }
  const result = walk(bytes, 0, bytes.length, 0, false, votes, state)
  if (result !== 'ok') return result
  const best = signals.reduce((a, b) => (votes[b] > votes[a] ? b : a))
  if (votes[best] > 0) return best
  const hinted = /log/i.test(hint)
    ? 'logs'
    : /metric/i.test(hint)
      ? 'metrics'
      : /span|trace/i.test(hint)
        ? 'spans'
        : undefined
  return state.entries > 0 && hinted !== undefined ? hinted : 'empty'
}

/** Depth 0 is the request, 1 a resource with its scopes, 2 a scope with its entries. `open`: the end is not its own. */
function walk(
  bytes: Uint8Array,
  from: number,
  to: number,
  depth: number,
  open: boolean,
  votes: Record<Signal, number>,
  state: { entries: number },
): 'ok' | 'truncated' | 'none' {
  for (const each of fieldsOf(bytes, from, to)) {
    if (each === null) return 'none'
    const ends = each.cut && (open || depth === 0)
    if (each.cut && !ends) return 'none'
    if (
      each.id !== 0 &&
      (each.wire !== length || !(each.id === 1 || (depth > 0 && (each.id <= 3 || each.id === 1000))))
    )
      return 'none'
    const inner = each.id === (depth === 0 ? 1 : 2)
    if (inner && depth < 2) {
      const found = walk(bytes, each.from, each.to, depth + 1, each.cut, votes, state)
      if (found !== 'ok') return found
    } else if (inner && !each.cut) {
      state.entries++
      if (state.entries <= enough) vote(bytes, each, votes)
    }
    if (each.cut) return 'truncated'
  }
  return 'ok'
}

function vote(bytes: Uint8Array, entry: Field, votes: Record<Signal, number>): void {
  const seen = new Map<number, number>()
  for (const each of fieldsOf(bytes, entry.from, entry.to)) {
    if (each === null || each.cut) return
    seen.set(each.id, each.wire)
  }
  if (seen.size === 0) return
  const fitting = signals.find(signal => {
    const known = entryFields[signal]
    return (
      [...seen].every(([id, wire]) => (known.get(id) ?? wire) === wire) && [...seen.keys()].some(id => known.has(id))
    )
  })
  if (fitting !== undefined) votes[fitting]++
}

/** Reads a request of logs or metrics; an entry that breaks the rules is dead by itself. */
export function readProtobuf(bytes: Uint8Array, signal: Signal, parts: Parts): void {
  if (signal === 'logs')
    readOtlpLogs(message(otlp.LogsRequest, bytes), parts, entry => sized(otlp.LogRecord, entry, parts))
  else if (signal === 'metrics')
    readOtlpMetrics(message(otlp.MetricsRequest, bytes), parts, {
      metric: entry => message(otlp.Metric, entry),
      point: (entry, kind) => sized(pointTypes[kind], entry, parts),
    })
  else throw new Unreadable('unsupported', 'the record holds OTLP spans; only logs and metrics are read')
}

const pointTypes: Record<MetricKind, protobuf.Type> = {
  gauge: otlp.NumberDataPoint,
  sum: otlp.NumberDataPoint,
  histogram: otlp.HistogramDataPoint,
  exponentialHistogram: otlp.ExponentialHistogramDataPoint,
  summary: otlp.SummaryDataPoint,
}

function sized(type: protobuf.Type, bytes: unknown, parts: Parts): unknown {
  const size = (bytes as Uint8Array).length
  if (size > parts.context.maxEventBytes)
    throw new Unreadable(
      'too-large',
      `${type.name} has ${size} bytes, the limit is ${parts.context.maxEventBytes}; raise decode.maxEventBytes`,
    )
  return message(type, bytes)
}

function message(type: protobuf.Type, bytes: unknown): unknown {
  try {
    return type.decode(bytes as Uint8Array)
  } catch (error) {
    throw new Unreadable('truncated-protobuf', `${type.name}: ${(error as Error).message}`)
  }
}
