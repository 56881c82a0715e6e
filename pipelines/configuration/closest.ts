/** Edits (insert, remove, replace, swap neighbours) that turn one text into the other. */
export function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => i || j))
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1)
      rows[i]![j] = best
    }
  return rows[a.length]![b.length]!
}

/** The candidate a person probably meant, or undefined when none is near enough to be worth suggesting. */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  let found: string | undefined
  let least = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const edits = distance(word.toLowerCase(), candidate.toLowerCase())
    if (edits < least && edits < Math.max(word.length, candidate.length)) {
      least = edits
      found = candidate
    }
  }
  return found
}

/** `; did you mean 'x'?`, or what there is when nothing is near. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const near = closest(word, candidates)
  if (near) return `; did you mean '${near}'?`
  return candidates.length === 0 ? '' : `; use one of ${candidates.join(', ')}`
}
