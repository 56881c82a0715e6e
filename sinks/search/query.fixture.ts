// Queries that are nearly right, made from a number: what people type and what they never would.

const pieces = [
  ...['level:', 'timestamp:', 'service:', 'environment:', 'pattern:', 'trace:', 'message:', 'status:', 'latency:'],
  ...['attributes.', 'x.y-z:', '@timestamp:', 'error', 'warn', 'last_5m', 'now', 'now-1h', '2026-11-22', 'T10:00:00Z'],
  ...[' ', ' ', ' ', ' ', '(', ')', '[', ']', '{', '}', ' TO ', ' AND ', ' OR ', ' NOT ', 'AND', '-', '"', '"', '\\'],
  ...['*', '>', '<', '=', '>=', ':', '::', '//', '/', '@', '.', '~', '%', '_', "'", ';', '--', '\n', '\t', '\0', '　'],
  ...['5', '500', '1e5', '9'.repeat(30), 'a', 'b', '超时', 'é', 'İ', 'ß', '\ud800', '\udc00', '😀', '{p0:String}'],
]

/** The same for the same number. */
export function queryOf(number: number): string {
  let seed = Math.imul(number + 1, 0x9e3779b1) >>> 0
  const draw = (below: number): number => {
    seed = (Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) >>> 0
    return ((seed ^ (seed >>> 13)) >>> 0) % below
  }
  return Array.from({ length: 1 + draw(16) }, () => pieces[draw(pieces.length)]).join('')
}

/** The query that looks for exactly this text. */
export const textOf = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`
