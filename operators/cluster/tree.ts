import {
  accepts,
  covers,
  isOpen,
  isPlace,
  isVariable,
  mergedWords,
  open,
  strengthened,
  unit,
  value,
  weak,
} from './variability.ts'

/** A pattern as it is kept: all that its tree needs is here, so that the tree can be grown again from a checkpoint. */
export interface PatternState {
  readonly id: string
  /** Its text, `<*>` where it varies. */
  template: string
  /** Its words; one after white space begins with a space. `<*>` stands for values alone, `<?>` for any word. */
  words: string[]
  version: number
  severity: number
  readonly firstSeen: number
  /** Number of the line that last matched it. */
  used: number
  /** Of the patterns whose place it has taken, by id, the version last told. */
  merged?: Record<string, number>
}

/** A line as it was scanned: see `Scan`. */
interface Line {
  readonly text: string
  readonly count: number
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly kinds: Uint8Array
  readonly gaps: Uint8Array
  word(at: number): string
}

/** Patterns that are one, and the words of that one. */
export interface Merger {
  readonly words: string[]
  readonly patterns: PatternState[]
}

/** Patterns of one number of words. */
interface Bucket {
  readonly exact: Map<string, PatternState>
  /** Those with open places, the most particular first. */
  opened: PatternState[]
}

/**
 * The patterns of a service, by number of words. What it finds depends on the patterns in it and never on how they came
 * there.
 */
export class Tree {
  readonly #buckets = new Map<number, Bucket>()

  constructor(patterns: Iterable<PatternState>) {
    for (const pattern of patterns) this.add(pattern)
  }

  /** The most particular pattern that these words fit, word by word. */
  find(words: readonly string[]): PatternState | undefined {
    const bucket = this.#buckets.get(words.length)
    if (bucket === undefined) return undefined
    return (
      bucket.exact.get(keyOf(words)) ??
      bucket.exact.get(keyOf(strengthened(words))) ??
      bucket.opened.find(pattern => fits(pattern.words, words))
    )
  }

  /** As `find`, for a line that has not been cut into strings; patterns without open places are left out. */
  findOpen(line: Line): PatternState | undefined {
    const opened = this.#buckets.get(line.count)?.opened
    if (opened === undefined) return undefined
    for (const pattern of opened) if (fitsLine(pattern.words, line)) return pattern
    return undefined
  }

  sizeOf(length: number): number {
    const bucket = this.#buckets.get(length)
    return bucket === undefined ? 0 : bucket.exact.size + bucket.opened.length
  }

  add(pattern: PatternState): void {
    const { words } = pattern
    let bucket = this.#buckets.get(words.length)
    if (bucket === undefined) {
      bucket = { exact: new Map(), opened: [] }
      this.#buckets.set(words.length, bucket)
    }
    if (!words.some(isOpen)) bucket.exact.set(keyOf(words), pattern)
    else {
      bucket.opened.push(pattern)
      bucket.opened.sort(precedes)
    }
  }

  remove(pattern: PatternState): void {
    const bucket = this.#buckets.get(pattern.words.length)
    if (bucket === undefined) return
    const key = keyOf(pattern.words)
    if (bucket.exact.get(key) === pattern) bucket.exact.delete(key)
    else bucket.opened = bucket.opened.filter(one => one !== pattern)
    if (bucket.exact.size + bucket.opened.length === 0) this.#buckets.delete(pattern.words.length)
  }

  /**
   * The patterns that are one with these words, and the words of that one: with new words the evidence may suffice that a
   * place holds a variable. `undefined`: these words stand for themselves.
   */
  merge(words: readonly string[]): Merger | undefined {
    const bucket = this.#buckets.get(words.length)
    if (bucket === undefined) return undefined
    const known = [...bucket.exact.values(), ...bucket.opened]
    let merged: string[] | undefined
    for (let rounds = 0; rounds < 4; rounds++) {
      const next = mergedWords(
        merged ?? words,
        known.map(pattern => pattern.words),
      )
      if (next === undefined) break
      merged = next
    }
    const widest = merged ?? [...words]
    const patterns = known.filter(pattern => fits(widest, pattern.words))
    return patterns.length === 0 ? undefined : { words: widest, patterns }
  }
}

/** Whether words belong to a pattern. */
const fits = (pattern: readonly string[], words: readonly string[]): boolean =>
  pattern.every((one, at) => covers(one, words[at]!))

/** The same for a line as it was scanned. */
export function fitsLine(pattern: readonly string[], line: Line): boolean {
  if (pattern.length !== line.count) return false
  for (let at = 0; at < pattern.length; at++) {
    const one = pattern[at]!
    const gap = at > 0 ? line.gaps[at]! : 0
    if ((one.charCodeAt(0) === 32) !== (gap === 1)) return false
    const kind = line.kinds[at]!
    if (one.length < gap + 4 && isPlace(one)) {
      if (kind > 0 ? !accepts(one, kind) : !isOpen(one) || !isVariable(one, line.word(at))) return false
      continue
    }
    const start = line.starts[at]!
    if (kind > 0 || line.ends[at]! - start !== one.length - gap) return false
    for (let place = gap; place < one.length; place++)
      if (line.text.charCodeAt(start + place - gap) !== one.charCodeAt(place)) return false
  }
  return true
}

/** Of two patterns that fit a line: the more particular, then the older, for that has the same answer after a restart. */
function precedes(a: PatternState, b: PatternState): number {
  return opened(a) - opened(b) || byAge(a, b)
}

export const byAge = (a: PatternState, b: PatternState): number => a.firstSeen - b.firstSeen || (a.id < b.id ? -1 : 1)

const opened = (pattern: PatternState): number => pattern.words.filter(isOpen).length
const keyOf = (words: readonly string[]): string => words.join('\u0000')

/** The text of words. */
export function templateOf(words: readonly string[]): string {
  return words
    .join('')
    .replaceAll(` ${unit}`, '')
    .replaceAll(unit, value)
    .replaceAll(open, value)
    .replaceAll(weak, value)
}
