/** How well predicted templates fit the true ones, 0-1 each; the share of lines, or a harmonic mean over templates. */
export interface PatternScores {
  /** Grouping accuracy: lines whose predicted group is exactly their true group. */
  readonly ga: number
  /** F1 of groups: predicted groups that are exactly a true group. */
  readonly fga: number
  /** Parsing accuracy: lines whose predicted template is the true one, byte for byte. */
  readonly pa: number
  /** F1 of templates: predicted templates all of whose lines have just this true template. */
  readonly fta: number
  readonly lines: number
  readonly templates: { readonly found: number; readonly true: number }
}

/**
 * The four measures of the Loghub-2.0 benchmark (Jiang et al., "A Large-Scale Evaluation for Log Parsing Techniques",
 * ISSTA 2024). Both lists have one template per line, in the same order.
 */
export function patternScores(truth: readonly string[], predicted: readonly string[]): PatternScores {
  const lines = truth.length
  const truthSizes = sizes(truth)
  const found = new Map<string, { lines: number; right: number; truths: Set<string> }>()
  truth.forEach((gold, at) => {
    const template = predicted[at]!
    const group = found.get(template) ?? { lines: 0, right: 0, truths: new Set<string>() }
    found.set(template, group)
    group.lines++
    group.truths.add(gold)
    if (gold === template) group.right++
  })
  let grouped = 0
  let groups = 0
  let right = 0
  let templates = 0
  for (const [template, group] of found) {
    const [gold] = group.truths
    right += group.right
    if (group.truths.size > 1) continue
    if (gold === template) templates++
    if (truthSizes.get(gold!) !== group.lines) continue
    grouped += group.lines
    groups++
  }
  return {
    ga: grouped / lines,
    fga: harmonic(groups / found.size, groups / truthSizes.size),
    pa: right / lines,
    fta: harmonic(templates / found.size, templates / truthSizes.size),
    lines,
    templates: { found: found.size, true: truthSizes.size },
  }
}

export type Means = Record<'ga' | 'fga' | 'pa' | 'fta', number>

/** The plain mean over systems, whatever their sizes. */
export function meanScores(scores: readonly PatternScores[]): Means {
  const mean = (of: keyof Means) => scores.reduce((sum, score) => sum + score[of], 0) / scores.length
  return { ga: mean('ga'), fga: mean('fga'), pa: mean('pa'), fta: mean('fta') }
}

function sizes(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

function harmonic(a: number, b: number): number {
  return a + b === 0 ? 0 : (2 * a * b) / (a + b)
}
