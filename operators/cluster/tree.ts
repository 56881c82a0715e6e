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
  /** Those with open places by their first word, the most particular first. */
  readonly opened: Map<string, PatternState[]>
  /** All of them by their first word, and by all words but the first. */
  readonly byFirst: Map<string, Set<PatternState>>
  readonly byRest: Map<string, Set<PatternState>>
}

/**
 * The patterns of a service, by number of words. What it finds depends on the patterns in it and never on how they came
 * there.
 */
export class Tree {
  readonly #buckets = new Map<number, Bucket>()
  /** Patterns in it. */
  size = 0

  constructor(patterns: Iterable<PatternState>) {
    for (const pattern of patterns) this.add(pattern)
  }

  /** The pattern without open places that these words fit. */
  find(words: readonly string[]): PatternState | undefined {
    const exact = this.#buckets.get(words.length)?.exact
    return exact?.get(keyOf(words)) ?? exact?.get(keyOf(strengthened(words)))
  }

  /** The most particular pattern with open places that a line fits. */
  findOpen(line: Line): PatternState | undefined {
    const opened = this.#buckets.get(line.count)?.opened
    if (opened === undefined || opened.size === 0) return undefined
    const fitting = (pattern: PatternState): boolean => fitsLine(pattern.words, line)
    const first = opened.get(line.kinds[0] === 0 ? line.word(0) : value)?.find(fitting)
    const other = opened.get(open)?.find(fitting)
    return first !== undefined && other !== undefined && precedes(other, first) < 0 ? other : (first ?? other)
  }

  add(pattern: PatternState): void {
    const { words } = pattern
    let bucket = this.#buckets.get(words.length)
    if (bucket === undefined) {
      bucket = { exact: new Map(), opened: new Map(), byFirst: new Map(), byRest: new Map() }
      this.#buckets.set(words.length, bucket)
    }
    this.size++
    enter(bucket.byFirst, firstOf(words), pattern)
    enter(bucket.byRest, restOf(words), pattern)
    if (!words.some(isOpen)) bucket.exact.set(keyOf(words), pattern)
    else bucket.opened.set(firstOf(words), [...(bucket.opened.get(firstOf(words)) ?? []), pattern].sort(precedes))
  }

  remove(pattern: PatternState): void {
    const { words } = pattern
    const bucket = this.#buckets.get(words.length)
    if (bucket === undefined) return
    this.size--
    leave(bucket.byFirst, firstOf(words), pattern)
    leave(bucket.byRest, restOf(words), pattern)
    if (!words.some(isOpen)) bucket.exact.delete(keyOf(words))
    else {
      const left = bucket.opened.get(firstOf(words))?.filter(one => one !== pattern) ?? []
      if (left.length > 0) bucket.opened.set(firstOf(words), left)
      else bucket.opened.delete(firstOf(words))
    }
    if (bucket.byFirst.size === 0) this.#buckets.delete(words.length)
  }

  /**
   * The patterns that are one with these words, and the words of that one: with new words the evidence may suffice that a
   * place holds a variable. `undefined`: these words stand for themselves.
   */
  merge(words: readonly string[]): Merger | undefined {
    const bucket = this.#buckets.get(words.length)
    if (bucket === undefined) return undefined
    // Patterns that differ in the first word and in another are not compared: few services have them, and all pay.
    const known = [
      ...new Set([
        ...(bucket.byFirst.get(firstOf(words)) ?? []),
        ...(bucket.byFirst.get(open) ?? []),
        ...(bucket.byRest.get(restOf(words)) ?? []),
      ]),
    ].sort(byAge)
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
/** Under what a pattern with open places is kept: what is found there must cover the first word of a line. */
function firstOf([first = '']: readonly string[]): string {
  if (isOpen(first)) return open
  return isPlace(first) ? value : first
}

const restOf = (words: readonly string[]): string => keyOf(words.slice(1))

function enter(index: Map<string, Set<PatternState>>, key: string, pattern: PatternState): void {
  const found = index.get(key)
  if (found === undefined) index.set(key, new Set([pattern]))
  else found.add(pattern)
}

function leave(index: Map<string, Set<PatternState>>, key: string, pattern: PatternState): void {
  const found = index.get(key)
  found?.delete(pattern)
  if (found?.size === 0) index.delete(key)
}

const keyOf = (words: readonly string[]): string => words.join('\u0000')

/** The text of words. Values with nothing, or a dot alone, between them are one. */
export function templateOf(words: readonly string[]): string {
  const text = words.join('').replaceAll(` ${unit}`, '').replaceAll(unit, value)
  return text
    .replaceAll(open, value)
    .replaceAll(weak, value)
    .replaceAll(/<\*>(?:\.?<\*>)+/g, value)
}
