/** Stands for whatever differs from line to line. */
export const wildcard = '<*>'

/** No word is as long; what is, Base64 say, is data. A template has to stay short enough to be passed on. */
const LONGEST_WORD = 500

/**
 * The words of a log line, what is plainly a variable in them replaced by `<*>`: numbers, quantities, dates, times,
 * addresses, UUIDs, hexadecimal and random identifiers. Of a text of several lines, a stack trace say, the first line
 * that is not blank speaks for all, and one `<*>` for the rest; so it is with words after `maxTokens`. A word
 * of more than 500 characters is taken for a variable.
 */
export function tokenize(text: string, maxTokens: number): string[] {
  const tokens: string[] = []
  const length = text.length
  let start = -1
  let digits = false
  for (let at = 0; at <= length; at++) {
    const code = at < length ? text.charCodeAt(at) : 10
    if (code > 32) {
      if (start < 0) start = at
      if (code < 58 && code > 47) digits = true
      continue
    }
    if (start >= 0) {
      if (tokens.length === maxTokens - 1) {
        tokens.push(wildcard)
        return tokens
      }
      const token = at - start > LONGEST_WORD ? wildcard : text.slice(start, at)
      tokens.push(digits ? maskToken(token) : token)
      start = -1
      digits = false
    }
    if (code === 10 && tokens.length > 0 && at < length) {
      if (text.slice(at).trim() !== '') tokens.push(wildcard)
      return tokens
    }
  }
  return tokens
}

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi
// A name of three labels or more before a port. Two labels are as likely a file and a line: Main.java:85.
const hostBeforePort = /(?<![\w.-])[A-Za-z][\w-]*(?:\.[\w-]+){2,}(?=:\d)/g

/** The token with its variable words replaced, neighbours that make up one value (a date, an address) by one `<*>`. */
function maskToken(token: string): string {
  let text = token
  if (text.length >= 36) text = text.replace(uuid, wildcard)
  const colon = text.lastIndexOf(':')
  if (colon > 4 && text.lastIndexOf('.', colon) > 0) text = text.replace(hostBeforePort, wildcard)
  let masked = ''
  let copied = 0
  let clock = false
  for (let at = 0; at < text.length; at++) {
    if (!isWordCode(text.charCodeAt(at))) continue
    const start = at
    while (at < text.length && isWordCode(text.charCodeAt(at))) at++
    const constant = constantPart(text, start, at)
    if (constant === at) continue
    const short = at - start <= 2 && constant === start
    const between = text.slice(copied, constant)
    if (masked === '') masked = unsigned(between) + wildcard
    else if (constant > start || !isJoint(between, clock && short)) masked += unsigned(between) + wildcard
    clock = short
    copied = at
  }
  return copied === 0 ? text : masked + text.slice(copied)
}

/** Whether what stands between two variable words makes one value of them. */
function isJoint(between: string, clock: boolean): boolean {
  if (between.length !== 1) return false
  // . - _ and the comma of thousands; the colon only between the parts of a time, so that address:port stays two.
  const code = between.charCodeAt(0)
  return code === 46 || code === 45 || code === 95 || code === 44 || (code === 58 && clock)
}

/** The text before a number, without the number's sign. */
function unsigned(text: string): string {
  const last = text.charCodeAt(text.length - 1)
  return (last === 45 || last === 43) && !isWordCode(text.charCodeAt(text.length - 2)) ? text.slice(0, -1) : text
}

/** Where the constant part of a word ends: at its end, at its start, or before the number it ends in. */
function constantPart(text: string, start: number, end: number): number {
  const length = end - start
  let digits = 0
  let hex = true
  let trailing = 0
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code < 58) {
      digits++
      trailing++
    } else {
      trailing = 0
      if ((code | 32) > 102) hex = false
    }
  }
  if (digits === 0) return end
  if (text.charCodeAt(start) < 58 || (hex && length >= 6) || (length >= 16 && digits >= 4)) return start
  return trailing >= 3 ? end - trailing : end
}

function isWordCode(code: number): boolean {
  return (code < 58 && code > 47) || (code < 91 && code > 64) || (code < 123 && code > 96)
}
