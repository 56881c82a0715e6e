import { wildcard } from './tokenize.ts'

/** A pattern as it is kept: all that its tree needs is here, so that the tree can be grown again from a checkpoint. */
export interface PatternState {
  readonly id: string
  /** Its words, `<*>` where they vary, joined by single spaces. */
  template: string
  /** Under which first two words it is found, `*` for any: fixed at birth. */
  readonly route: string
  version: number
  severity: number
  readonly firstSeen: number
  /** Number of the line that last matched it. */
  used: number
}

interface Leaf {
  readonly pattern: PatternState
  tokens: string[]
}

type Branches = Map<string, Map<string, Leaf[]>>

const any = '*'

/**
 * The prefix tree of Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017): number
 * of words, first word, second word, then the patterns that share them. Words with digits, and new first words where
 * there are many already, go under `*`. What it finds depends on the patterns in it and never on how they came there.
 */
export class Tree {
  readonly #lengths = new Map<number, Branches>()
  readonly #maxBranches: number

  constructor(patterns: Iterable<PatternState>, maxBranches: number) {
    this.#maxBranches = maxBranches
    for (const pattern of patterns) this.add(pattern)
  }

  /** The pattern most like the words, if one is like them enough: `similarity` is a share of words, 0-1. */
  find(tokens: readonly string[], similarity: number): PatternState | undefined {
    const branches = this.#lengths.get(tokens.length)
    if (branches === undefined) return undefined
    let best: Leaf | undefined
    let most = similarity
    for (const first of [branches.get(tokens[0] ?? any), branches.get(any)]) {
      if (first === undefined) continue
      for (const leaves of [first.get(tokens[1] ?? any), first.get(any)]) {
        if (leaves === undefined) continue
        for (const leaf of leaves) {
          const likeness = similarityOf(leaf.tokens, tokens)
          if (likeness < most || (likeness === most && best !== undefined && !precedes(leaf, best))) continue
          best = leaf
          most = likeness
        }
      }
    }
    return best?.pattern
  }

  /** Where a pattern born of these words belongs, and how many are there already. */
  routeOf(tokens: readonly string[]): { route: string; siblings: number } {
    const branches = this.#lengths.get(tokens.length)
    const first = steady(tokens[0]) && this.#hasRoom(branches, tokens[0]) ? tokens[0] : any
    const seconds = branches?.get(first)
    const second = steady(tokens[1]) && this.#hasRoom(seconds, tokens[1]) ? tokens[1] : any
    return { route: `${first} ${second}`, siblings: seconds?.get(second)?.length ?? 0 }
  }

  add(pattern: PatternState): void {
    const tokens = wordsOf(pattern.template)
    const [first = any, second = any] = pattern.route.split(' ')
    const branches = entry(this.#lengths, tokens.length, () => new Map())
    entry(
      entry(branches, first, () => new Map()),
      second,
      () => [] as Leaf[],
    ).push({ pattern, tokens })
  }

  remove(pattern: PatternState): void {
    const length = wordsOf(pattern.template).length
    const [first = any, second = any] = pattern.route.split(' ')
    const branches = this.#lengths.get(length)
    const seconds = branches?.get(first)
    const left = seconds?.get(second)?.filter(leaf => leaf.pattern !== pattern) ?? []
    if (left.length > 0) seconds?.set(second, left)
    else seconds?.delete(second)
    if (seconds?.size === 0) branches?.delete(first)
  }

  /** Makes `<*>` of every word in which the pattern and the line differ; true if there was one. */
  widen(pattern: PatternState, tokens: readonly string[]): boolean {
    const [first = any, second = any] = pattern.route.split(' ')
    const leaves = this.#lengths.get(tokens.length)?.get(first)?.get(second)
    const leaf = leaves?.find(candidate => candidate.pattern === pattern)
    if (leaf === undefined || leaf.tokens.every((word, at) => word === tokens[at] || word === wildcard)) return false
    leaf.tokens = leaf.tokens.map((word, at) => (word === tokens[at] ? word : wildcard))
    pattern.template = leaf.tokens.join(' ')
    return true
  }

  #hasRoom(branches: ReadonlyMap<string, unknown> | undefined, word: string): boolean {
    return branches === undefined || branches.has(word) || branches.size < this.#maxBranches
  }
}

/** Words that are equal, of those that say something: where pattern and line are both variable, nothing is compared. */
function similarityOf(template: readonly string[], tokens: readonly string[]): number {
  let equal = 0
  let compared = template.length
  for (let at = 0; at < template.length; at++) {
    if (template[at] !== tokens[at]) continue
    if (template[at] === wildcard) compared--
    else equal++
  }
  return compared === 0 ? 1 : equal / compared
}

/** Of two patterns equally like a line: the one used first in the stream, for it has the same answer after a restart. */
function precedes(a: Leaf, b: Leaf): boolean {
  return (
    a.pattern.firstSeen < b.pattern.firstSeen ||
    (a.pattern.firstSeen === b.pattern.firstSeen && a.pattern.id < b.pattern.id)
  )
}

function steady(word: string | undefined): word is string {
  return word !== undefined && word !== any && !/\d|<\*>/.test(word)
}

function wordsOf(template: string): string[] {
  return template === '' ? [] : template.split(' ')
}

function entry<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const found = map.get(key)
  if (found !== undefined) return found
  const created = create()
  map.set(key, created)
  return created
}
