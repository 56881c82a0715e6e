import {
  compareEvents,
  Drop,
  type Event,
  type EventTime,
  type Logic,
  type Origin,
  type Step,
} from '../../operators/operator.ts'
import { type Window, windowsOf } from '../../operators/window.ts'
import type { StepNode } from '../pipeline.ts'
import { Due } from './due.ts'

/** An event waiting behind the watermark; `edge` says by which of the step's inputs it came. */
interface Held {
  readonly event: Event<unknown>
  readonly edge: number
}

/** Everything a step knows of one key; survives JSON. */
interface Entry {
  /** State of a step without windows. */
  state?: unknown
  /** Open windows, oldest first. */
  windows?: { start: EventTime; end: EventTime; state: unknown }[]
  held?: Held[]
}

/**
 * What became of the events a step was given or took over with its state: `in = used + late + dropped + dead + held`,
 * where those held wait for the watermark.
 */
export interface StepFates {
  in: number
  used: number
  late: number
  dropped: Record<string, number>
  dead: number
}

/** What a step hands on. */
export interface Outlet {
  event(event: Event<unknown>): void
  late(event: Event<unknown>): void
  /** The step has deliberately not used an event. */
  dropped(reason: string): void
  /** The step threw on this event: it is set aside and the step goes on without it. */
  dead(event: Event<unknown>, error: Error): void
}

/**
 * One step of a graph at work: its keys, their windows, and the events that wait for the watermark. Outputs depend only
 * on which events there are and on the watermark's passing them, not on how they were cut into batches.
 */
export class KeyedStep {
  readonly node: StepNode
  readonly fates: StepFates = { in: 0, used: 0, late: 0, dropped: {}, dead: 0 }
  readonly #logic: Logic<unknown, unknown, unknown>
  readonly #entries = new Map<string, Entry>()
  readonly #scheduled = new Map<string, EventTime>()
  readonly #due = new Due()
  readonly #touched = new Set<string>()
  readonly #outlet: Outlet
  #time: EventTime | null = null

  constructor(node: StepNode, outlet: Outlet) {
    this.node = node
    this.#logic = node.bound.create()
    this.#outlet = outlet
  }

  get keys(): number {
    return this.#entries.size
  }

  /** Events waiting for the watermark. */
  get held(): number {
    let total = 0
    for (const entry of this.#entries.values()) total += entry.held?.length ?? 0
    return total
  }

  /** Takes an event that came by the given input. `late`: its origin stream had passed it before. */
  accept(event: Event<unknown>, edge: number, late: boolean): void {
    this.fates.in++
    const key = this.node.key(event.value)
    const keyed = { ...event, key }
    if (this.#isLate(event.time, late)) {
      this.fates.late++
      this.#outlet.late(keyed)
      return
    }
    const entry = this.#entry(key)
    if (!this.node.ordered) {
      this.#apply(entry, keyed)
      this.#settle(key, entry)
      return
    }
    entry.held ??= []
    entry.held.push({ event: keyed, edge })
    this.#wish(key, event.time + 1)
  }

  /** Moves the step's own time on: releases what waited, closes windows, rings timers. Answers its output watermark. */
  advance(watermark: EventTime): EventTime {
    const time = watermark - this.node.lateness
    if (this.#time !== null && time <= this.#time) return this.#time
    this.#time = time
    for (;;) {
      const next = this.#due.take(time)
      if (!next) return time
      if (this.#scheduled.get(next.key) !== next.time) continue
      this.#scheduled.delete(next.key)
      const entry = this.#entries.get(next.key)
      if (!entry) continue
      this.#release(entry, next.key, time)
      this.#close(entry, next.key, time)
      this.#settle(next.key, entry)
    }
  }

  /** Keys changed since the last call, with their JSON, or null where the key is gone. */
  changes(): Map<string, string | null> {
    const changed = new Map<string, string | null>()
    for (const key of this.#touched) changed.set(key, this.#entries.has(key) ? this.#json(key) : null)
    this.#touched.clear()
    return changed
  }

  /** Every key with its JSON. */
  *snapshot(): Iterable<[string, string]> {
    for (const key of this.#entries.keys()) yield [key, this.#json(key)]
  }

  /**
   * Puts back a key as `changes` or `snapshot` gave it. False: a version of the operator wrote it that this one cannot
   * upgrade, so the key starts afresh.
   */
  restore(key: string, json: string): boolean {
    const { version, ...entry } = JSON.parse(json) as Entry & { version: number }
    if (version !== this.node.bound.version) {
      const { upgrade } = this.node.bound
      if (!upgrade) return false
      if ('state' in entry) entry.state = upgrade(entry.state, version)
      for (const window of entry.windows ?? []) window.state = upgrade(window.state, version)
    }
    this.#entries.set(key, entry)
    this.#schedule(key, entry)
    this.fates.in += entry.held?.length ?? 0
    return true
  }

  /** Goes on where the watermark of the step's inputs had come to. Answers its output watermark. */
  resume(watermark: EventTime): EventTime {
    this.#time = watermark - this.node.lateness
    return this.#time
  }

  #json(key: string): string {
    return JSON.stringify({ version: this.node.bound.version, ...this.#entries.get(key) })
  }

  #isLate(time: EventTime, late: boolean): boolean {
    if (late) return true
    if (this.#time === null) return false
    const { window, ordered } = this.node
    if (ordered || !window) return ordered && time < this.#time
    return windowsOf(window, time).every(({ end }) => end <= this.#time!)
  }

  #entry(key: string): Entry {
    const entry = this.#entries.get(key) ?? {}
    this.#entries.set(key, entry)
    this.#touched.add(key)
    return entry
  }

  /** Hands the waiting events before `time`, and the timers between them, to the logic in the order of time. */
  #release(entry: Entry, key: string, time: EventTime): void {
    const ready = (entry.held ?? []).filter(({ event }) => event.time < time).sort(compareHeld)
    if (ready.length > 0) entry.held = entry.held!.filter(({ event }) => event.time >= time)
    this.#touched.add(key)
    let before: Held | undefined
    for (const held of ready) {
      if (before && compareHeld(before, held) === 0) this.#drop('duplicate')
      else {
        this.#ring(entry, key, held.event.time)
        this.#apply(entry, held.event)
      }
      before = held
    }
    this.#ring(entry, key, time)
  }

  /** Rings timers set for `until` or before. */
  #ring(entry: Entry, key: string, until: EventTime): void {
    if (!this.#logic.wake || !this.#logic.wakeAt || entry.state === undefined) return
    for (;;) {
      const at = this.#logic.wakeAt(entry.state)
      if (at === undefined || at > until) return
      const [state, outputs] = this.#logic.wake(entry.state, at, key)
      entry.state = state
      this.#emit(outputs, at, { stream: `${this.node.id}:${key}`, offset: at, index: 0 }, key)
      if (state === undefined) return
      if (this.#logic.wakeAt(state) === at)
        throw new Error(
          `step '${this.node.id}' of key '${key}': a timer at ${at} rang and was set to the same time again`,
        )
    }
  }

  #apply(entry: Entry, event: Event<unknown>): void {
    try {
      const outputs = this.node.window ? this.#applyToWindows(entry, event) : this.#applyToState(entry, event)
      if (outputs.some(output => output instanceof Drop)) {
        for (const output of outputs) if (output instanceof Drop) this.#drop(output.reason)
      } else this.fates.used++
      this.#emit(outputs, event.time, event.origin, event.key)
    } catch (error) {
      this.fates.dead++
      this.#outlet.dead(event, error instanceof Error ? error : new Error(String(error)))
    }
  }

  #applyToState(entry: Entry, event: Event<unknown>): Step<unknown, unknown>[1] {
    const [state, outputs] = this.#logic.step(entry.state ?? this.#logic.init(event.key), event)
    entry.state = state
    return outputs
  }

  #applyToWindows(entry: Entry, event: Event<unknown>): Step<unknown, unknown>[1] {
    entry.windows ??= []
    const outputs: (unknown | Drop)[] = []
    for (const { start, end } of windowsOf(this.node.window!, event.time)) {
      if (this.#time !== null && end <= this.#time) continue
      const window =
        this.node.window!.kind === 'session' ? this.#join(entry, start, end) : open(entry.windows, start, end)
      const [state, more] = this.#logic.step(window.state ?? this.#logic.init(event.key), event)
      window.state = state
      outputs.push(...more)
    }
    return outputs
  }

  /** The session that `[start, end)` belongs to, after joining all that it overlaps: half-open, as all windows are. */
  #join(entry: Entry, start: EventTime, end: EventTime): { start: EventTime; end: EventTime; state: unknown } {
    const touching = entry.windows!.filter(window => window.start < end && start < window.end)
    const [first, ...others] = touching
    if (!first) return open(entry.windows!, start, end)
    for (const other of others)
      first.state = this.#logic.merge ? this.#logic.merge(first.state, other.state) : first.state
    first.start = Math.min(start, first.start)
    first.end = Math.max(end, ...touching.map(window => window.end))
    entry.windows = entry.windows!.filter(window => !others.includes(window))
    return first
  }

  #close(entry: Entry, key: string, time: EventTime): void {
    if (!entry.windows) return
    const closing = entry.windows.filter(({ end }) => end <= time).sort((a, b) => a.end - b.end || a.start - b.start)
    if (closing.length === 0) return
    entry.windows = entry.windows.filter(({ end }) => end > time)
    this.#touched.add(key)
    for (const { start, end, state } of closing) {
      const window: Window = { start, end }
      const outputs = state === undefined ? [] : this.#logic.close!(state, window, key)
      this.#emit(outputs, end - 1, { stream: `${this.node.id}:${key}`, offset: start, index: 0 }, key)
    }
  }

  /** Outputs get an origin that a replay gives them again: that of the event, window or timer that caused them. */
  #emit(outputs: readonly unknown[], time: EventTime, cause: Origin, key: string): void {
    let nth = 0
    for (const value of outputs) {
      if (value instanceof Drop) continue
      const origin = nth === 0 ? cause : { ...cause, stream: `${cause.stream}#${nth}` }
      this.#outlet.event({ key, time, origin, value })
      nth++
    }
  }

  #drop(reason: string): void {
    this.fates.dropped[reason] = (this.fates.dropped[reason] ?? 0) + 1
    this.#outlet.dropped(reason)
  }

  #settle(key: string, entry: Entry): void {
    if (entry.held?.length === 0) delete entry.held
    if (entry.windows?.length === 0) delete entry.windows
    if (entry.state === undefined) delete entry.state
    if (entry.state === undefined && !entry.held && !entry.windows) {
      this.#entries.delete(key)
      this.#scheduled.delete(key)
    } else this.#schedule(key, entry)
  }

  #schedule(key: string, entry: Entry): void {
    let at = Number.POSITIVE_INFINITY
    for (const { event } of entry.held ?? []) at = Math.min(at, event.time + 1)
    for (const { end } of entry.windows ?? []) at = Math.min(at, end)
    const wake = entry.state === undefined ? undefined : this.#logic.wakeAt?.(entry.state)
    if (wake !== undefined) at = Math.min(at, wake)
    if (at !== Number.POSITIVE_INFINITY) this.#wish(key, at)
  }

  /** Has the key looked at no later than `at`. */
  #wish(key: string, at: EventTime): void {
    const scheduled = this.#scheduled.get(key)
    if (scheduled !== undefined && scheduled <= at) return
    this.#scheduled.set(key, at)
    this.#due.add(at, key)
  }
}

function open(
  windows: NonNullable<Entry['windows']>,
  start: EventTime,
  end: EventTime,
): NonNullable<Entry['windows']>[number] {
  const found = windows.find(window => window.start === start && window.end === end)
  if (found) return found
  const window = { start, end, state: undefined }
  windows.push(window)
  return window
}

function compareHeld(a: Held, b: Held): number {
  return compareEvents(a.event, b.event) || a.edge - b.edge
}
