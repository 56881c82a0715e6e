import { z } from 'zod'
import type { Window } from './window.ts'

/** Milliseconds since 1970-01-01 UTC at which something happened. The wall clock is never one. */
export type EventTime = number

/**
 * Where an event entered: set once, at entry, and carried through every hop. Within a stream positions only grow, so a
 * reader that remembers the highest (offset, index) of a stream can drop whatever is sent again.
 */
export interface Origin {
  /** For Kafka `kafka:topic/partition`, for a file `file:path`, for a step's own output `step:key`. */
  readonly stream: string
  /** Kafka offset, byte offset of a file, or start of a window. */
  readonly offset: number
  /** Position inside the record at that offset. */
  readonly index: number
}

/** One value with its key, the time it happened and where it came from. Equal origins are the same event. */
export interface Event<T> {
  readonly key: string
  readonly time: EventTime
  readonly origin: Origin
  readonly value: T
}

/** Orders two events of a key: by time, then by where they came from. Total on distinct events. */
export function compareEvents(a: Event<unknown>, b: Event<unknown>): number {
  return a.time - b.time || compareOrigins(a.origin, b.origin)
}

export function compareOrigins(a: Origin, b: Origin): number {
  if (a.stream !== b.stream) return a.stream < b.stream ? -1 : 1
  return a.offset - b.offset || a.index - b.index
}

/** An output that says an event was deliberately not used. The reason is from the operator's declared list. */
export class Drop {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

export const drop = (reason: string): Drop => new Drop(reason)

/** The state after an event, and what the event caused. `undefined` as state: the key is forgotten. */
export type Step<S, O> = readonly [state: S | undefined, outputs: readonly (O | Drop)[]]

/**
 * What an operator does once configured. Sees events and nothing else: no clock, no I/O, no randomness it was not
 * given. State must survive `JSON.parse(JSON.stringify(state))`: no `undefined`, `NaN`, `Infinity`, `Map`, `Date`.
 * Changing and returning the state object it was handed is allowed; keeping a reference to it elsewhere is not.
 */
export interface Logic<S, I, O> {
  init(key: string): S
  step(state: S, event: Event<I>): Step<S, O>
  /** Called once per window, when the watermark has passed its end. Outputs bear the time `window.end - 1`. */
  close?(state: S, window: Window, key: string): readonly O[]
  /** Joins two sessions that one event has bridged; `into` is the older. */
  merge?(into: S, from: S): S
  /**
   * The next event time at which `wake` wants to be called, if any. Asked after every change of the state. Only for
   * steps without windows, run in order: wakes and events of a key then come strictly by time, wakes first.
   */
  wakeAt?(state: S): EventTime | undefined
  /** Called with the time `wakeAt` gave. Must move or remove that time, else the engine throws. */
  wake?(state: S, time: EventTime, key: string): Step<S, O>
}

export interface Example<C, I, O> {
  readonly title: string
  readonly config: C
  readonly window?: Record<string, unknown>
  readonly given: readonly { key?: string; time: EventTime; value: NoInfer<I> }[]
  readonly gives: readonly NoInfer<Partial<O>>[]
}

export interface Definition<Schema extends z.ZodType, S, I, O> {
  /** A verb. */
  readonly name: string
  /** One sentence, the first line of its reference entry. */
  readonly summary: string
  readonly config: Schema
  /** Reasons its `drop` outputs may bear. */
  readonly drops?: readonly string[]
  /** Raised when the shape of the state changes; `upgrade` then turns the older state into the newer. */
  readonly version?: number
  readonly upgrade?: (old: unknown, from: number) => S | undefined
  readonly examples: readonly Example<z.input<Schema>, I, O>[]
  create(config: z.output<Schema>): Logic<S, I, O>
}

/** An operator with its configuration: what a pipeline is built of. */
export interface Bound<S, I, O> {
  readonly name: string
  readonly config: unknown
  readonly version: number
  readonly drops: readonly string[]
  readonly upgrade?: ((old: unknown, from: number) => S | undefined) | undefined
  readonly create: () => Logic<S, I, O>
}

export interface Operator<Schema extends z.ZodType, S, I, O> {
  (config: z.input<Schema>): Bound<S, I, O>
  readonly definition: Definition<Schema, S, I, O>
}

/**
 * Turns a definition into a function from a configuration to a bound step. The configuration is checked at once.
 * @throws {Error} naming the operator and every wrong field, if the configuration does not fit
 */
export function defineOperator<Schema extends z.ZodType, S, I, O>(
  definition: Definition<Schema, S, I, O>,
): Operator<Schema, S, I, O> {
  const bind = (input: z.input<Schema>): Bound<S, I, O> => {
    const parsed = definition.config.safeParse(input)
    if (!parsed.success) throw new Error(`operator ${definition.name}: ${z.prettifyError(parsed.error)}`)
    return {
      name: definition.name,
      config: parsed.data,
      version: definition.version ?? 1,
      drops: definition.drops ?? [],
      upgrade: definition.upgrade,
      create: () => definition.create(parsed.data),
    }
  }
  return Object.assign(bind, { definition })
}
