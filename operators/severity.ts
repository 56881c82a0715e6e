// How bad a line says it is, as OpenTelemetry's number: 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error,
// 21-24 fatal; 0 is unknown. The finer numbers are those of the OpenTelemetry log data model, appendix B.

const levels = new Map<string, number>([
  ...(['TRACE', 'TRC', 'VERBOSE', 'VRB', 'FINEST'] as const).map(word => [word, 1] as const),
  ...(['DEBUG', 'DBG', 'FINER'] as const).map(word => [word, 5] as const),
  ['FINE', 6],
  ['CONFIG', 7],
  ...(['INFO', 'INF', 'INFORMATION', 'INFORMATIONAL'] as const).map(word => [word, 9] as const),
  ['NOTICE', 10],
  ...(['WARN', 'WRN', 'WARNING'] as const).map(word => [word, 13] as const),
  ...(['ERROR', 'ERR', 'SEVERE'] as const).map(word => [word, 17] as const),
  ...(['CRITICAL', 'CRIT'] as const).map(word => [word, 18] as const),
  ['ALERT', 19],
  ...(['FATAL', 'FTL', 'PANIC', 'DPANIC', 'EMERG', 'EMERGENCY'] as const).map(word => [word, 21] as const),
])
const letters = new Map([
  ['V', 1],
  ['D', 5],
  ['I', 9],
  ['W', 13],
  ['E', 17],
  ['F', 21],
])

/** Syslog's 0-7 (RFC 5424 §6.2.1): emergency, alert, critical, error, warning, notice, info, debug. */
const syslog = [21, 19, 18, 17, 13, 10, 9, 5]

/** Reads a level word (`warn`, `Warning`, `E`), whatever its case; 0 if it is none. */
export function readLevel(word: string): number {
  const upper = word.trim().toUpperCase()
  return levels.get(upper) ?? letters.get(upper) ?? 0
}

/** Syslog's severity 0-7 as OpenTelemetry's number; 0 if it is none. */
export const syslogSeverity = (severity: number): number => syslog[severity] ?? 0

/** How far into a line its level may stand. */
const reach = 160

/**
 * Reads the level in the head of a line: syslog's `<34>`, klog's `E0102`, a level word in capitals, a level word of any
 * case that is set off (`[error]`, `level=warn`, `, Info `, `error:`), or a single letter after the time (Android,
 * MongoDB) or before `/` or `, [` (logcat, Ruby). The first one wins; 0 where there is none.
 */
export function readSeverity(line: string): number {
  const marked = readPrefix(line)
  if (marked > 0) return marked
  const length = Math.min(line.length, reach)
  let at = 0
  while (at < length) {
    if (!isLetter(line.charCodeAt(at))) {
      at++
      continue
    }
    let end = at + 1
    while (end < line.length && isLetter(line.charCodeAt(end))) end++
    const size = end - at
    if (size <= 13 && size !== 2) {
      const found = size === 1 ? readLetter(line, at) : readWord(line, at, end)
      if (found > 0) return found
    }
    at = end
  }
  return 0
}

function readPrefix(line: string): number {
  const first = line.charCodeAt(0)
  if (first === 60) {
    const priority = /^<(\d{1,3})>/.exec(line)?.[1]
    return priority !== undefined && Number(priority) < 192 ? syslogSeverity(Number(priority) & 7) : 0
  }
  if (first === 73 || first === 87 || first === 69 || first === 70)
    return /^[IWEF]\d{4} +\d{2}:/.test(line) ? letters.get(line[0]!)! : 0
  return 0
}

const isLetter = (code: number): boolean => (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
const among = (set: string, character: string): boolean => character !== '' && set.includes(character)

/** A word inside a name, a path or an identifier is not a level: `error.log`, `no-error`, `ERROR_CODE`. */
const inName = './\\-_@$0123456789'

function readWord(line: string, from: number, to: number): number {
  if (!initials.has(line.charCodeAt(from) | 32)) return 0
  const before = line.charAt(from - 1)
  const after = line.charAt(to)
  if (among(inName, before) || (among(inName, after) && after !== '.') || after === '=') return 0
  const word = line.slice(from, to)
  const upper = word.toUpperCase()
  const level = levels.get(upper)
  if (level === undefined) return 0
  return upper === word || isSetOff(line, from, to, before, after) ? level : 0
}

const initials = new Set([...levels.keys()].map(word => word.charCodeAt(0) | 32))

/** Whether punctuation says that a small-letter word is a field of its own, and not prose. */
function isSetOff(line: string, from: number, to: number, before: string, after: string): boolean {
  const isKey = among('"\'', after) && among(':=', line.charAt(to + 1))
  if (isKey) return false
  if (among('[(<|=,"\':', before) || among(']>|:', after)) return true
  const beforeSpace = before === ' ' ? line.charAt(from - 2) : ''
  const afterSpace = after === ' ' ? line.charAt(to + 1) : ''
  return among(',|', beforeSpace) || among(':|', afterSpace)
}

function readLetter(line: string, at: number): number {
  const level = letters.get(line.charAt(at))
  if (level === undefined) return 0
  const after = line.charAt(at + 1)
  if (at === 0) return after === '/' || line.startsWith(', [', 1) ? level : 0
  const afterTime = line.charAt(at - 1) === ' ' && among('0123456789Z', line.charAt(at - 2)) && at > 10
  return afterTime && after === ' ' ? level : 0
}
