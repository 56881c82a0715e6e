/** Stands for any word in a pattern's words; in its template it is `<*>` like a value. */
export const open = '<?>'
/** Stands for a value that is known by how it is written. */
export const value = '<*>'
/** Stands for a word that is a value by what it means, `true` or `root`; another word may stand in its place. */
export const weak = '<=>'

/** Stands for a unit that differs from line to line: with the number before it, it is one value. */
export const unit = '<%>'
const units = /^ ?(?:B|[KMGTP]i?B|bytes)$/

export const isOpen = (word: string): boolean => word.length < 5 && (word.endsWith(open) || word.endsWith(unit))
const isValue = (word: string): boolean => word.length < 5 && word.endsWith(value)
const isWeak = (word: string): boolean => word.length < 5 && word.endsWith(weak)

/** Whether a pattern's word stands for others. */
export const isPlace = (word: string): boolean => isValue(word) || isOpen(word) || isWeak(word)

/** Whether a place takes a value of a kind as `Scan` has it: 1 known by how it is written, 2 by what it means. */
export const accepts = (place: string, kind: number): boolean =>
  place.endsWith(open) || place.endsWith(value) || (kind === 2 && place.endsWith(weak))

/** Words in which what is a value by its meaning alone counts as any value. */
export const strengthened = (words: readonly string[]): readonly string[] =>
  words.some(isWeak) ? words.map(word => (isWeak(word) ? word.replace(weak, value) : word)) : words

/** Whether a pattern's word covers one of a line or of a narrower pattern. */
export function covers(place: string, word: string): boolean {
  if (place === word) return true
  if (isOpen(place)) return isVariable(place, word)
  return isWeak(word) && isValue(place) && place.length === word.length
}

/** Whether an open place may hold a word: punctuation is structure, never a value. */
export function isVariable(place: string, word: string): boolean {
  if ((word.charCodeAt(0) === 32) !== (place.charCodeAt(0) === 32)) return false
  return place.endsWith(unit) ? units.test(word) : isWord(word)
}

/** Different words in one place, all else equal, from which on it is a variable. */
const enough = { digits: 2, typed: 2, prose: 5, several: 4, first: 20 }

/**
 * Words with `<?>` in the places that are shown to be variable by how the known ones differ from them; `undefined`: none
 * is. Known and given words are equally many.
 */
export function mergedWords(words: readonly string[], known: readonly (readonly string[])[]): string[] | undefined {
  const single = new Map<number, Set<string>>()
  for (const others of known) {
    const at = onlyDifference(words, others)
    if (at < 0) continue
    const found = single.get(at) ?? new Set([words[at]!])
    single.set(at, found.add(others[at]!))
  }
  let merged = severalDifferences(words, known)
  for (const [at, found] of single) {
    if (found.size < needed(words, at, found)) continue
    merged ??= [...words]
    merged[at] = opened(words[at]!, [...found].every(word => units.test(word)) ? unit : open)
  }
  return merged
}

const opened = (word: string, place: string): string => (word.charCodeAt(0) === 32 ? ` ${place}` : place)

/** Words of which, in each place where lines differ, so large a share must differ from one another. */
const mostlyOther = 0.6

/** Lines that differ in the same two or three places, in each of them most from one another. */
function severalDifferences(words: readonly string[], known: readonly (readonly string[])[]): string[] | undefined {
  const groups = new Map<string, Set<string>[]>()
  const sizes = new Map<string, number>()
  for (const others of known) {
    const places = differences(words, others)
    if (places === undefined) continue
    const key = places.join(' ')
    const found = groups.get(key) ?? places.map(at => new Set([words[at]!]))
    groups.set(key, found)
    for (const [place, at] of places.entries()) found[place]!.add(others[at]!)
    sizes.set(key, (sizes.get(key) ?? 1) + 1)
  }
  for (const [key, found] of groups) {
    const size = sizes.get(key)!
    const needed = found.some(isMostlyProse) ? enough.first : enough.several
    if (size < needed || found.some(words => words.size < mostlyOther * size)) continue
    const merged = [...words]
    for (const at of key.split(' ').map(Number)) merged[at] = opened(words[at]!, open)
    return merged
  }
  return undefined
}

function differences(words: readonly string[], others: readonly string[]): number[] | undefined {
  const places: number[] = []
  let constants = 0
  for (let at = 0; at < words.length; at++) {
    const one = words[at]!
    const other = others[at]!
    if (one === other) {
      if (isWord(one) && !isValue(one)) constants++
      continue
    }
    if (at === 0 || places.length === 3 || !isVariable(one, other) || !isWord(one)) return undefined
    places.push(at)
  }
  return places.length > 1 && constants >= places.length ? places : undefined
}

function onlyDifference(words: readonly string[], others: readonly string[]): number {
  let found = -1
  for (let at = 0; at < words.length; at++) {
    const one = words[at]!
    const other = others[at]!
    if (one === other || isOpen(other)) continue
    if (isOpen(one)) {
      if (!isVariable(one, other)) return -1
      continue
    }
    if (found >= 0 || !isVariable(one, other) || !isWord(one)) return -1
    found = at
  }
  return found
}

function needed(words: readonly string[], at: number, found: ReadonlySet<string>): number {
  const some = [...found]
  // What stands before an equals sign is the name of a value.
  if (words[at + 1] === '=') return enough.first
  if (some.every(word => units.test(word))) return isValue(words[at - 1] ?? '') ? enough.digits : enough.prose
  if (some.every(word => /\d/.test(word) || isValue(word))) return enough.digits
  if (some.some(isValue)) return enough.typed
  if (at === 0) return enough.first
  const before = words[at - 1]!
  if (/^ ?user$/i.test(before)) return enough.digits
  return enough.prose
}

/** A word of letters alone, or the name of a state: RUNNING, TASK_ABORT. */
const isProse = (word: string): boolean => /^ ?(?:[A-Za-z]+|[A-Z_]+)$/.test(word)

const isMostlyProse = (words: ReadonlySet<string>): boolean => 2 * [...words].filter(isProse).length > words.size

function isWord(word: string): boolean {
  for (let at = 0; at < word.length; at++) {
    const code = word.charCodeAt(at)
    if ((code > 47 && code < 58) || (code > 64 && code < 91) || (code > 96 && code < 123) || code > 127) return true
  }
  return isValue(word) || isOpen(word) || isWeak(word)
}
