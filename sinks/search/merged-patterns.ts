// Patterns that proved to be one have been merged: their lines keep the id they were given, and whoever asks is told of
// the pattern that has taken their place.

/** Merged patterns: `id`, and `into`, the one that stands for it now. */
export const merges = `SELECT pattern AS id, argMax(merged_into, version) AS into FROM log_patterns
  GROUP BY id HAVING into != ''`

/** The condition on a column that its pattern is this one, or one that was merged into it. `id`: a bound parameter. */
export const isOrBecame = (column: string, id: string): string =>
  `(${column} = ${id} OR ${column} IN (SELECT id FROM (${merges}) WHERE into = ${id}))`
