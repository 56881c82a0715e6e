import { isDigit, isHex, isLetter, isLower } from './characters.ts'

/** Where a path ends whose query goes on over equals signs. */
export function queryEnd(text: string, start: number, end: number): number {
  if (text.charCodeAt(end) !== 61) return end
  let mark = start
  while (mark < end && text.charCodeAt(mark) !== 63) mark++
  if (mark === end) return end
  let last = end
  while (last < text.length && isInUrl(text.charCodeAt(last))) last++
  return last
}

export const isInUrl = (code: number): boolean =>
  code > 32 && code !== 34 && code !== 39 && code !== 41 && code !== 62 && code !== 93 && code !== 44 && code !== 59

/** Four numbers with dots between. */
export function isIp(text: string, start: number, end: number): boolean {
  let dots = 0
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code === 46) dots++
    else if (!isDigit(code)) return false
  }
  return dots === 3
}

/** A version such as 5.4-1+deb11u1: it begins with a digit and goes on with others after a letter. */
export function isVersion(text: string, start: number, end: number): boolean {
  let letters = false
  let joints = 0
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (isDigit(code)) {
      if (letters && joints > 0) return true
    } else if (isLetter(code)) letters = true
    else if (code === 46 || code === 45 || code === 43 || code === 126) {
      joints++
      if (code === 43 && isDigit(text.charCodeAt(at + 1))) return true
    } else return false
  }
  return false
}

/** A code such as R25-M1-N2: pieces of letters and digits, two of them with both. */
export function isCode(text: string, start: number, end: number): boolean {
  let both = 0
  let letters = 0
  let digits = 0
  for (let at = start; at <= end; at++) {
    const code = at < end ? text.charCodeAt(at) : 45
    if (isLetter(code)) letters++
    else if (isDigit(code)) digits++
    else if (code === 45) {
      if (letters > 0 && digits > 0) both++
      letters = 0
      digits = 0
    } else return false
  }
  return both > 1
}

/** The end of a word without the full stops after it. */
export function lastPart(text: string, start: number, end: number): number {
  let last = end
  while (last > start + 1 && text.charCodeAt(last - 1) === 46) last--
  return last
}

/** Whether a colon and a port follow. */
export const hasPort = (text: string, end: number): boolean =>
  text.charCodeAt(end) === 58 && isDigit(text.charCodeAt(end + 1))

const source = new Set(
  'c cc cpp h hpp java js ts py go rs rb php cs kt scala pl sh lua sql xml json yaml yml log txt conf'.split(' '),
)
const domains = new Set(
  'com net org edu gov mil int info biz io dev app cloud local internal lan localdomain svc'.split(' '),
)

/**
 * Whether this is the name of a machine: labels of small letters, digits and hyphens with a known top domain, or with any
 * that a port follows and that is no source file (Main.java:85).
 */
export function isHost(text: string, start: number, end: number, port: boolean): boolean {
  let labels = 1
  let label = start
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code === 46) {
      if (at === label) return false
      labels++
      label = at + 1
    } else if (!isLetter(code) && !isDigit(code) && code !== 45 && code !== 95) return false
  }
  if (labels < 2 || end - label < 2) return false
  for (let at = label; at < end; at++) if (!isLower(text.charCodeAt(at))) return false
  const top = text.slice(label, end)
  if (port) return !source.has(top)
  // Names such as com.example.app begin with what a host name ends in.
  if (domains.has(text.slice(start, text.indexOf('.', start)))) return false
  if (domains.has(top)) return true
  if (top.length !== 2 || labels < 3) return false
  return !source.has(top) || domains.has(text.slice(text.lastIndexOf('.', label - 2) + 1, label - 1))
}

/** Whether this is what Kubernetes puts behind a pod's name: a hyphen and five of its own letters. */
export function isPodSuffix(text: string, start: number, end: number): boolean {
  return (
    end - start === 5 && text.charCodeAt(start - 1) === 45 && /^[bcdfghjklmnpqrstvwxz]{5}$/.test(text.slice(start, end))
  )
}

/** Whether a UUID begins here. */
export function uuidAt(text: string, start: number): boolean {
  for (let at = 0; at < 36; at++) {
    const code = text.charCodeAt(start + at)
    if (at === 8 || at === 13 || at === 18 || at === 23 ? code !== 45 : !isHex(code)) return false
  }
  return true
}

export function digitsFrom(text: string, start: number, end: number): number {
  let at = start
  while (at < end && isDigit(text.charCodeAt(at))) at++
  return at - start
}

/**
 * The end of a clock time (07:07, 07:07:00,123) or an address of hexadecimal groups (00:1b:44:11:3a:b7, 0000:00:1e.0)
 * that begins with this word; `end` if none does.
 */
export function joinedEnd(text: string, start: number, end: number): number {
  if (text.charCodeAt(end) !== 58 || end - start > 4) return end
  let groups = 1
  let clock = true
  let some = false
  let at = start
  let last = end
  for (;;) {
    const begin = at
    let digits = 0
    while (isHex(text.charCodeAt(at))) {
      if (isDigit(text.charCodeAt(at))) digits++
      at++
    }
    const length = at - begin
    if (length === 0 || length > 4) break
    if (digits > 0) some = true
    if (length > 2 || digits !== length) clock = false
    last = at
    if (text.charCodeAt(at) !== 58) break
    groups++
    at++
  }
  if (last === end || !some) return end
  const code = text.charCodeAt(last)
  if (isLetter(code)) return end
  // A fraction: .123 or ,123
  if ((code === 46 || code === 44) && isDigit(text.charCodeAt(last + 1)))
    last = last + 1 + digitsFrom(text, last + 1, text.length)
  return (clock && groups === 2 && last - start < 6) || groups > 2 ? last : end
}
