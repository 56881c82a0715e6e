import type { EventTime } from '../../operators/operator.ts'
import type { StepNode } from '../pipeline.ts'
import type { Held } from './held-events.ts'
import type { OpenWindow } from './open-windows.ts'
import { type Divided, type Part, StateParts } from './state-parts.ts'

/** How the names of what is saved begin: a key, or one of the many values of a field of its state. */
const KEY = '\n'
const PART = '\v'

/** What a step knows of one key. All but the waiting events, which `HeldEvents` saves, survives JSON. */
export interface Entry {
  /** State of a step without windows. */
  state?: unknown
  /** Time of the newest event that went into the state; where keys are forgotten. */
  seen?: EventTime
  /** Open windows, oldest first. */
  windows?: OpenWindow[]
  held?: Held[]
}

/** The keys of a step, and which of them have changed since they were last saved. */
export class KeyedEntries {
  readonly #bound: StepNode['bound']
  readonly #entries = new Map<string, Entry>()
  readonly #touched = new Set<string>()
  readonly #parts = new StateParts()
  readonly #saved = new Map<string, { json?: string; parts?: Parts }>()

  constructor(bound: StepNode['bound']) {
    this.#bound = bound
  }

  get size(): number {
    return this.#entries.size
  }

  /** How many names a whole save has, about. */
  get names(): number {
    return this.#entries.size + this.#parts.size
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key)
  }

  /** The entry of a key, made if there is none. */
  ensure(key: string): Entry {
    const known = this.#entries.get(key)
    if (known) return known
    const entry: Entry = {}
    this.#entries.set(key, entry)
    return entry
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  /** Notes that the key has to be saved. */
  touch(key: string): void {
    this.#touched.add(key)
  }

  *waiting(): Generator<Held> {
    for (const { held } of this.#entries.values()) if (held) yield* held
  }

  /** What was touched since the last call, by name, or null where nothing is known of it any more. */
  *changes(): Generator<[name: string, json: string | null]> {
    for (const key of this.#touched) yield* this.#said(key)
    this.#touched.clear()
  }

  /** Everything, by name. */
  *snapshot(): Generator<[name: string, json: string]> {
    this.#touched.clear()
    this.#parts.clear()
    for (const key of this.#entries.keys())
      for (const [name, json] of this.#said(key)) if (json !== null) yield [name, json]
  }

  /** Takes in what `changes` or `snapshot` said of a name; it counts once all is taken in, with `settle`. */
  restore(name: string, json: string): void {
    if (name.startsWith(KEY)) this.#saved.set(name.slice(1), { ...this.#saved.get(name.slice(1)), json })
    else {
      const [key, field, part] = JSON.parse(name.slice(1)) as [string, string, string]
      const saved = this.#saved.get(key) ?? {}
      this.#saved.set(key, saved)
      saved.parts ??= new Map()
      const values = saved.parts.get(field) ?? new Map()
      saved.parts.set(field, values.set(part, json))
    }
  }

  /** Puts back the keys that were taken in; false: another version wrote it, and this one cannot upgrade it. */
  *settle(): Generator<[key: string, entry: Entry | undefined]> {
    for (const [key, { json, parts }] of this.#saved)
      if (json !== undefined) yield [key, this.#settle(key, json, parts ?? new Map())]
    this.#saved.clear()
  }

  #settle(key: string, json: string, parts: Parts): Entry | undefined {
    const { version, taken, ...saved } = JSON.parse(json) as Entry & { version: number; taken?: Divided['taken'] }
    const entry: Entry = { ...saved, ...this.#entries.get(key) }
    if (taken) entry.state = this.#parts.unite(key, { rest: entry.state, taken }, parts)
    if (version !== this.#bound.version) {
      const { upgrade } = this.#bound
      if (!upgrade) return undefined
      if ('state' in entry) entry.state = upgrade(entry.state, version)
      for (const window of entry.windows ?? []) window.state = upgrade(window.state, version)
    }
    this.#entries.set(key, entry)
    return entry
  }

  /** What there is to say of a key: first what is news among its parts, then the rest. */
  *#said(key: string): Generator<[name: string, json: string | null]> {
    const entry = this.#entries.get(key)
    // Of a key there may be nothing but events that wait.
    const isKnown = entry !== undefined && (entry.state !== undefined || entry.windows !== undefined)
    if (!isKnown) {
      for (const part of this.#parts.forget(key)) yield [nameOf(key, part), null]
      yield [KEY + key, null]
      return
    }
    const { held: _, state, ...others } = entry
    const { rest, taken, news } = this.#parts.divide(key, state)
    for (const part of news) yield [nameOf(key, part), part.json]
    const more = Object.keys(taken).length > 0 ? { taken } : {}
    yield [KEY + key, JSON.stringify({ version: this.#bound.version, state: rest, ...others, ...more })]
  }
}

type Parts = Map<string, Map<string, string>>

const nameOf = (key: string, { field, name }: Part): string => PART + JSON.stringify([key, field, name])
