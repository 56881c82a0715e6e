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
import { type Held, HeldEvents } from './held-events.ts'
import { type Entry, KeyedEntries } from './keyed-entries.ts'
import { joinSession, openWindow } from './open-windows.ts'
import { failureId, type SetAside, StepFailure } from './step-failure.ts'

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
  /** The step cannot do with this event: it is set aside and the step goes on without it. */
  dead(event: Event<unknown>, error: Error): void
}

/** How the name of a chunk of the events that wait begins; the others are those of `KeyedEntries`. */
const CHUNK = '\t'

/**
 * One step of a graph at work: its keys, their windows, and the events that wait for the watermark. Outputs depend only
 * on which events there are and on the watermark's passing them, not on how they were cut into batches.
 */
export class KeyedStep {
  readonly node: StepNode
  readonly fates: StepFates = { in: 0, used: 0, late: 0, dropped: {}, dead: 0 }
  readonly #logic: Logic<unknown, unknown, unknown>
  readonly #entries: KeyedEntries
  readonly #scheduled = new Map<string, EventTime>()
  readonly #due = new Due()
  readonly #held = new HeldEvents()
  readonly #outlet: Outlet
  readonly #setAside: SetAside
  #time: EventTime | null = null

  constructor(node: StepNode, outlet: Outlet, setAside: SetAside) {
    this.node = node
    this.#logic = node.bound.create()
    this.#entries = new KeyedEntries(node.bound)
    this.#outlet = outlet
    this.#setAside = setAside
  }

  get keys(): number {
    return this.#entries.size
  }

  /** How many names a whole save has, about. */
  get size(): number {
    return this.#entries.names + this.#held.chunks
  }

  /** Events waiting for the watermark. */
  get held(): number {
    let total = 0
    for (const _ of this.#entries.waiting()) total++
    return total
  }

  /** Takes an event that came by the given input. `late`: its origin stream had passed it before. */
  accept(event: Event<unknown>, edge: number, late: boolean): void {
    this.fates.in++
    let key: string
    try {
      key = this.node.key(event.value)
    } catch (error) {
      this.#dead(event, error as Error)
      return
    }
    const keyed = { ...event, key }
    if (this.#isLate(event.time, late)) {
      this.fates.late++
      this.#outlet.late(keyed)
      return
    }
    const entry = this.#entries.ensure(key)
    if (!this.node.ordered) {
      this.#entries.touch(key)
      this.#apply(entry, keyed)
      this.#settle(key, entry)
      return
    }
    const held = { event: keyed, edge }
    this.#hold(key, entry, held)
    this.#held.add(held, this.#time)
  }

  /**
   * Moves the step's own time on: releases what waited, closes windows, rings timers. Yields between keys, so that who
   * runs it may give way to others. Answers its output watermark.
   */
  *advance(watermark: EventTime): Generator<void, EventTime> {
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
      yield
    }
  }

  /** Names changed since the last call, with their JSON, or null where the name is gone. */
  *changes(): Generator<[name: string, json: string | null]> {
    yield* this.#entries.changes()
    for (const [chunk, json] of this.#held.changes(this.#time)) yield [CHUNK + chunk, json]
  }

  /** Every name with its JSON. */
  *snapshot(): Generator<[name: string, json: string]> {
    yield* this.#entries.snapshot()
    for (const [chunk, json] of this.#held.snapshot(this.#entries.waiting())) yield [CHUNK + chunk, json]
  }

  /** Takes in a name as `changes` or `snapshot` gave it, after `resume`; `settle` comes when all are taken in. */
  restore(name: string, json: string): void {
    if (!name.startsWith(CHUNK)) this.#entries.restore(name, json)
    else for (const held of this.#held.restore(Number(name.slice(1)), json, this.#time)) this.#takeOver(held)
  }

  /**
   * Goes on with what was taken in, key by key. Answers false if a version of the operator wrote some that this one cannot
   * upgrade: those keys start afresh.
   */
  *settle(): Generator<void, boolean> {
    let whole = true
    for (const [key, entry] of this.#entries.settle()) {
      if (entry) this.#schedule(key, entry)
      else whole = false
      yield
    }
    return whole
  }

  /** Goes on where the watermark of the step's inputs had come to. Answers its output watermark. */
  resume(watermark: EventTime): EventTime {
    this.#time = watermark - this.node.lateness
    return this.#time
  }

  #takeOver(held: Held): void {
    this.fates.in++
    const { key } = held.event
    this.#hold(key, this.#entries.ensure(key), held)
  }

  #hold(key: string, entry: Entry, held: Held): void {
    entry.held ??= []
    entry.held.push(held)
    this.#wish(key, held.event.time + 1)
  }

  #isLate(time: EventTime, late: boolean): boolean {
    if (late) return true
    if (this.#time === null) return false
    const { window, ordered } = this.node
    if (ordered || !window) return ordered && time < this.#time
    return windowsOf(window, time).every(({ end }) => end <= this.#time!)
  }

  /** Hands the waiting events before `time`, and the timers between them, to the logic in the order of time. */
  #release(entry: Entry, key: string, time: EventTime): void {
    const ready = (entry.held ?? []).filter(({ event }) => event.time < time).sort(compareHeld)
    if (ready.length > 0) entry.held = entry.held!.filter(({ event }) => event.time >= time)
    this.#entries.touch(key)
    let before: Held | undefined
    for (const held of ready) {
      if (before && compareHeld(before, held) === 0) this.#drop('duplicate')
      else {
        this.#ring(entry, key, held.event.time)
        this.#forget(entry, held.event.time)
        this.#apply(entry, held.event)
      }
      before = held
    }
    this.#ring(entry, key, time)
    this.#forget(entry, time)
  }

  /**
   * Lets go of a state that no event has gone into for as long as the node says, and that waits for no timer. Looked at
   * before each event too, so that it does not depend on how far the watermark jumps.
   */
  #forget(entry: Entry, time: EventTime): void {
    const { forgetAfter } = this.node
    if (forgetAfter === undefined || entry.state === undefined || entry.seen === undefined) return
    if (time < entry.seen + forgetAfter || this.#logic.wakeAt?.(entry.state) !== undefined) return
    delete entry.state
    delete entry.seen
  }

  /** Rings timers set for `until` or before. */
  #ring(entry: Entry, key: string, until: EventTime): void {
    if (!this.#logic.wake || !this.#logic.wakeAt || entry.state === undefined) return
    for (;;) {
      const at = this.#logic.wakeAt(entry.state)
      if (at === undefined || at > until) return
      const cause = { stream: `${this.node.id}:${key}`, offset: at, index: 0 }
      const before = entry.state
      const done = this.#try(key, `timer ${at}`, () => this.#wake(before, at, key))
      if (done instanceof Error) {
        // What a timer that cannot ring would do is not known, so the key starts afresh.
        entry.state = undefined
        this.#outlet.dead({ key, time: at, origin: cause, value: before }, done)
        return
      }
      const [state, outputs] = done
      entry.state = state
      this.#emit(outputs, at, cause, key)
      if (state === undefined) return
    }
  }

  #wake(before: unknown, at: EventTime, key: string): Step<unknown, unknown> {
    const done = this.#logic.wake!(before, at, key)
    if (done[0] !== undefined && this.#logic.wakeAt!(done[0]) === at)
      throw new Error('the timer rang and was set to the same time again')
    return done
  }

  #apply(entry: Entry, event: Event<unknown>): void {
    const { stream, offset, index } = event.origin
    const outputs = this.#try(event.key, `event ${stream}/${offset}/${index}`, () =>
      this.node.window ? this.#applyToWindows(entry, event) : this.#applyToState(entry, event),
    )
    if (outputs instanceof Error) {
      this.#dead(event, outputs)
      return
    }
    if (outputs.some(output => output instanceof Drop)) {
      for (const output of outputs) if (output instanceof Drop) this.#drop(output.reason)
    } else this.fates.used++
    this.#emit(outputs, event.time, event.origin, event.key)
  }

  /** What the logic answers, or, of what is set aside, why. @throws {StepFailure} */
  #try<T>(key: string, at: string, work: () => T): T | Error {
    if (this.#setAside.size > 0) {
      const error = this.#setAside.get(failureId(this.node.id, key, at))
      if (error) return error
    }
    try {
      return work()
    } catch (error) {
      throw new StepFailure(this.node.id, key, at, error)
    }
  }

  #dead(event: Event<unknown>, error: Error): void {
    this.fates.dead++
    this.#outlet.dead(event, error)
  }

  #applyToState(entry: Entry, event: Event<unknown>): Step<unknown, unknown>[1] {
    const [state, outputs] = this.#logic.step(entry.state ?? this.#logic.init(event.key), event)
    entry.state = state
    if (this.node.forgetAfter !== undefined) entry.seen = event.time
    return outputs
  }

  #applyToWindows(entry: Entry, event: Event<unknown>): Step<unknown, unknown>[1] {
    entry.windows ??= []
    const outputs: (unknown | Drop)[] = []
    for (const { start, end } of windowsOf(this.node.window!, event.time)) {
      if (this.#time !== null && end <= this.#time) continue
      const window =
        this.node.window!.kind === 'session'
          ? joinSession(entry.windows, start, end, this.#logic.merge)
          : openWindow(entry.windows, start, end)
      const [state, more] = this.#logic.step(window.state ?? this.#logic.init(event.key), event)
      window.state = state
      outputs.push(...more)
    }
    return outputs
  }

  #close(entry: Entry, key: string, time: EventTime): void {
    if (!entry.windows) return
    const closing = entry.windows.filter(({ end }) => end <= time).sort((a, b) => a.end - b.end || a.start - b.start)
    if (closing.length === 0) return
    entry.windows = entry.windows.filter(({ end }) => end > time)
    this.#entries.touch(key)
    for (const { start, end, state } of closing) {
      const window: Window = { start, end }
      const cause = { stream: `${this.node.id}:${key}`, offset: start, index: 0 }
      const outputs =
        state === undefined ? [] : this.#try(key, `window ${start}`, () => this.#logic.close!(state, window, key))
      if (outputs instanceof Error) this.#outlet.dead({ key, time: end - 1, origin: cause, value: state }, outputs)
      else this.#emit(outputs, end - 1, cause, key)
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
    if (entry.state === undefined) {
      delete entry.state
      delete entry.seen
    }
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
    else if (entry.state !== undefined && entry.seen !== undefined)
      at = Math.min(at, entry.seen + this.node.forgetAfter!)
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

function compareHeld(a: Held, b: Held): number {
  return compareEvents(a.event, b.event) || a.edge - b.edge
}
