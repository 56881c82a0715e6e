/** A state with fewer values than this in a field is written whole. */
const MANY = 32

/** Where the values of a field were taken out: their names, in their order. */
type Taken = Record<string, string[]>

/** A state as it is saved: what is left of it, and the fields whose values are saved one by one. */
export interface Divided {
  readonly rest: unknown
  readonly taken: Taken
}

/** One value of a field of a state; `json` null: it is gone. */
export interface Part {
  readonly field: string
  readonly name: string
  readonly json: string | null
}

/**
 * Tells, of states that hold very many things by name (the patterns of a service, its series), which of those have
 * changed since they were last said, so that a save does not write all of them for one. What was said is remembered as a
 * hash of its JSON: of two texts that differ, the hashes are alike once in 2^53 times.
 */
export class StateParts {
  readonly #said = new Map<string, Map<string, Map<string, number>>>()
  #size = 0

  /** How many values are saved one by one. */
  get size(): number {
    return this.#size
  }

  /** The state without the values that are said one by one, and those of them that are news. */
  divide(key: string, state: unknown): Divided & { readonly news: readonly Part[] } {
    const large = isRecord(state) ? Object.entries(state).filter(isLarge) : []
    const before = this.#said.get(key)
    if (large.length === 0 && !before) return { rest: state, taken: {}, news: [] }
    const now = new Map<string, Map<string, number>>()
    const news: Part[] = []
    const taken: Taken = {}
    for (const [field, values] of large) {
      const hashes = new Map<string, number>()
      const known = before?.get(field)
      for (const [name, value] of Object.entries(values)) {
        const json = JSON.stringify(value)
        const hash = hashOf(json)
        hashes.set(name, hash)
        if (known?.get(name) !== hash) news.push({ field, name, json })
      }
      now.set(field, hashes)
      taken[field] = [...hashes.keys()]
    }
    for (const [field, known] of before ?? [])
      for (const name of known.keys()) if (!now.get(field)?.has(name)) news.push({ field, name, json: null })
    this.#note(key, now)
    const rest = large.length === 0 ? state : { ...(state as object), ...emptied(large) }
    return { rest, taken, news }
  }

  /** Nothing is known to be saved of a key any more: the parts that are then gone. */
  forget(key: string): Part[] {
    const parts: Part[] = []
    for (const [field, known] of this.#said.get(key) ?? [])
      for (const name of known.keys()) parts.push({ field, name, json: null })
    this.#note(key, new Map())
    return parts
  }

  /** Says everything anew. */
  clear(): void {
    this.#said.clear()
    this.#size = 0
  }

  /** Puts a state together again; notes the parts as said. @throws {Error} if one is missing */
  unite(key: string, { rest, taken }: Divided, parts: ReadonlyMap<string, ReadonlyMap<string, string>>): unknown {
    const fields = Object.entries(taken)
    if (fields.length === 0) return rest
    const said = new Map<string, Map<string, number>>()
    const state = { ...(rest as object) } as Record<string, unknown>
    for (const [field, names] of fields) {
      const hashes = new Map<string, number>()
      const values = names.map(name => {
        const json = parts.get(field)?.get(name)
        if (json === undefined) throw new Error(`state of '${key}': '${field}' lacks '${name}'`)
        hashes.set(name, hashOf(json))
        return [name, JSON.parse(json) as unknown] as const
      })
      // Not by assignment: `__proto__` is a name like others.
      state[field] = Object.fromEntries(values)
      said.set(field, hashes)
    }
    this.#note(key, said)
    return state
  }

  #note(key: string, said: Map<string, Map<string, number>>): void {
    const count = (fields: ReadonlyMap<string, ReadonlyMap<string, number>> | undefined): number =>
      [...(fields?.values() ?? [])].reduce((sum, { size }) => sum + size, 0)
    this.#size += count(said) - count(this.#said.get(key))
    if (said.size > 0) this.#said.set(key, said)
    else this.#said.delete(key)
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function isLarge(entry: [string, unknown]): entry is [string, Record<string, unknown>] {
  const [, value] = entry
  if (!isRecord(value)) return false
  let count = 0
  for (const _ in value) if (++count >= MANY) return true
  return false
}

const emptied = (fields: readonly [string, unknown][]): Record<string, object> =>
  Object.fromEntries(fields.map(([field]) => [field, {}]))

/** FNV-1a twice over the UTF-16 units, from different offsets: 53 bits of the two. */
function hashOf(text: string): number {
  let a = 0x811c9dc5
  let b = 0x9e3779b9
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    a = Math.imul(a ^ unit, 0x01000193)
    b = Math.imul(b ^ unit, 0x5bd1e995) ^ (b >>> 15)
  }
  return (a >>> 0) * 0x200000 + ((b >>> 0) & 0x1fffff)
}
