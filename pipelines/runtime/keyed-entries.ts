import type { EventTime } from '../../operators/operator.ts'
import type { StepNode } from '../pipeline.ts'
import type { Held } from './held-events.ts'
import type { OpenWindow } from './open-windows.ts'

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

  constructor(bound: StepNode['bound']) {
    this.#bound = bound
  }

  get size(): number {
    return this.#entries.size
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

  /** The keys touched since the last call, with their JSON, or null where nothing is known of them any more. */
  *changes(): Generator<[key: string, json: string | null]> {
    for (const key of this.#touched) yield [key, this.#json(key)]
    this.#touched.clear()
  }

  /** Every key with its JSON. */
  *snapshot(): Generator<[key: string, json: string]> {
    this.#touched.clear()
    for (const key of this.#entries.keys()) {
      const json = this.#json(key)
      if (json !== null) yield [key, json]
    }
  }

  /** Puts back a key; undefined: another version of the operator wrote it, and this one cannot upgrade it. */
  restore(key: string, json: string): Entry | undefined {
    const { version, ...saved } = JSON.parse(json) as Entry & { version: number }
    const entry: Entry = { ...saved, ...this.#entries.get(key) }
    if (version !== this.#bound.version) {
      const { upgrade } = this.#bound
      if (!upgrade) return undefined
      if ('state' in entry) entry.state = upgrade(entry.state, version)
      for (const window of entry.windows ?? []) window.state = upgrade(window.state, version)
    }
    this.#entries.set(key, entry)
    return entry
  }

  /** Null: nothing is known of the key but events that wait. */
  #json(key: string): string | null {
    const entry = this.#entries.get(key)
    if (!entry || (entry.state === undefined && !entry.windows)) return null
    const { held: _, ...saved } = entry
    return JSON.stringify({ version: this.#bound.version, ...saved })
  }
}
