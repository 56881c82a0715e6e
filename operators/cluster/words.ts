import { isDigit, isLetter, isSign, isSplit } from './characters.ts'
import {
  digitsFrom,
  hasPort,
  isCode,
  isHost,
  isInUrl,
  isIp,
  isPodSuffix,
  isVersion,
  joinedEnd,
  lastPart,
  queryEnd,
  uuidAt,
} from './shapes.ts'

/** What a variable holds. */
export type Kind =
  | 'text'
  | 'number'
  | 'hex'
  | 'ip'
  | 'uuid'
  | 'path'
  | 'host'
  | 'time'
  | 'duration'
  | 'email'
  | 'name'
  | 'id'

/** Takes the parts of a word, in order. */
export interface Sink {
  /** Kind `undefined`: a constant. */
  add(start: number, end: number, kind: Kind | undefined): void
}

/** Words that are values wherever they stand, though they look like any other. */
const named = new Set(['true', 'false', 'null', 'root', 'admin'])

/** The kind of a word of letters alone that is a value wherever it stands. */
export function wordKind(text: string, start: number, end: number): Kind | undefined {
  // t, f, n, r, a in either case
  const first = text.charCodeAt(start) | 32
  if (first !== 116 && first !== 102 && first !== 110 && first !== 114 && first !== 97) return undefined
  return named.has(text.slice(start, end).toLowerCase()) ? 'name' : undefined
}

/**
 * Gives the parts of a word that has other characters than letters to `sink`, and returns where it has read to: a time or
 * a hardware address goes on over the colons in it.
 */
export function pieces(text: string, start: number, end: number, sink: Sink): number {
  const joined = joinedEnd(text, start, end)
  if (joined > end) {
    sink.add(start, joined, 'time')
    return joined
  }
  const first = text.charCodeAt(start)
  const second = text.charCodeAt(start + 1)
  // /path, ./path, ~/path
  if (first === 47 && end - start > 1) return slashed(text, start, end, sink)
  if ((first === 46 || first === 126) && second === 47) return whole(start, end, 'path', sink)
  const shape = shapeOf(text, start, end)
  if (shape.backslashes > 1 || shape.slashes > 2) return whole(start, end, 'path', sink)
  if (shape.at > 0 && isHost(text, shape.at + 1, end, false)) return whole(start, end, 'email', sink)
  if (shape.slashes === 1 && shape.slash > start && isIp(text, shape.slash + 1, end)) {
    // name/10.0.0.1:80
    sink.add(start, shape.slash, 'host')
    sink.add(shape.slash, shape.slash + 1, undefined)
    sink.add(shape.slash + 1, end, 'ip')
    return end
  }
  const last = lastPart(text, start, end)
  if (shape.slashes === 0 && shape.dots > 0 && isHost(text, start, last, hasPort(text, end))) {
    sink.add(start, last, 'host')
    if (last < end) sink.add(last, end, undefined)
    return end
  }
  if (shape.slashes === 0 && shape.hyphens > 0 && shape.digits > 0 && (hasPort(text, end) || isCode(text, start, end)))
    return whole(start, end, 'id', sink)
  if (shape.slashes + shape.splits === 0 && isDigit(first) && isVersion(text, start, last))
    return rest(start, last, end, 'id', sink)
  if (shape.digits === 0 && !shape.foreign) {
    if (shape.splits === 0) sink.add(start, end, undefined)
    else split(text, start, end, sink)
    return end
  }
  split(text, start, end, sink)
  return end
}

const whole = (start: number, end: number, kind: Kind, sink: Sink): number => {
  sink.add(start, end, kind)
  return end
}

/** What begins with a slash: the double one after a scheme stays, the rest is a path. */
function slashed(text: string, start: number, end: number, sink: Sink): number {
  if (text.charCodeAt(start + 1) !== 47) {
    const last = queryEnd(text, start, lastPart(text, start, end))
    sink.add(start, last, 'path')
    if (last > end) return last
    if (last < end) sink.add(last, end, undefined)
    return end
  }
  sink.add(start, start + 2, undefined)
  if (end === start + 2) return end
  // A port and a path after the name belong to it.
  let last = end
  if (hasPort(text, end)) {
    last = end + 1 + digitsFrom(text, end + 1, text.length)
    if (text.charCodeAt(last) !== 47) last = end
    else while (last < text.length && isInUrl(text.charCodeAt(last))) last++
  } else last = queryEnd(text, start, end)
  sink.add(start + 2, last, 'host')
  return last
}

/** A value, and the full stops after it. */
function rest(start: number, last: number, end: number, kind: Kind, sink: Sink): number {
  sink.add(start, last, kind)
  if (last < end) sink.add(last, end, undefined)
  return end
}

interface Shape {
  digits: number
  dots: number
  slashes: number
  slash: number
  backslashes: number
  at: number
  hyphens: number
  splits: number
  foreign: boolean
}

function shapeOf(text: string, start: number, end: number): Shape {
  const shape = {
    digits: 0,
    dots: 0,
    slashes: 0,
    slash: 0,
    backslashes: 0,
    at: 0,
    hyphens: 0,
    splits: 0,
    foreign: false,
  }
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code > 127) shape.foreign = true
    else if (isLetter(code)) continue
    else if (isDigit(code)) shape.digits++
    else if (code === 45) shape.hyphens++
    else if (code === 46) shape.dots++
    else if (code === 47) {
      shape.slashes++
      shape.slash = at
    } else if (code === 92) shape.backslashes++
    else if (code === 64) {
      shape.at = at > start ? at : 0
      shape.splits++
    } else if (code === 35) shape.splits++
  }
  return shape
}

/** Gives words cut at . - + @ # $ % & / and at what is not ASCII; variable pieces that a dot or hyphen joins are one. */
function split(text: string, start: number, end: number, sink: Sink): void {
  let from = start
  let constant = start
  let open = -1
  let kind: Kind = 'number'
  while (from < end) {
    let at = from
    const isUuid = end - from > 35 && uuidAt(text, from)
    const foreign = text.charCodeAt(from) > 127
    if (isUuid) at = from + 36
    while (at < end && !isUuid && (foreign ? text.charCodeAt(at) > 127 : !isSplit(text.charCodeAt(at)))) at++
    const found = isUuid ? 'uuid' : foreign ? undefined : pieceKind(text, from, at, from === start)
    if (found !== undefined) {
      let begin = from
      // The sign of a number.
      if (begin > start && isSign(text.charCodeAt(begin - 1)) && begin - 1 === constant && begin - 1 === start) begin--
      // The prefix of an identifier: blk_-12.
      else if (begin > start + 1 && open < 0 && text.charCodeAt(begin - 1) === 45 && text.charCodeAt(begin - 2) === 95)
        begin = constant
      if (open < 0) {
        if (begin > constant) sink.add(constant, begin, undefined)
        open = begin
        kind = found
      } else kind = 'id'
      constant = at
    } else if (open >= 0 && at > from) {
      if (at === end && isPodSuffix(text, from, end)) constant = end
      sink.add(open, constant, kind)
      open = -1
    }
    // The separator after the piece: a single dot, hyphen or plus keeps the value open if one follows.
    from = at
    if (from < end && isSplit(text.charCodeAt(from)) && !(text.charCodeAt(from) > 127)) {
      const code = text.charCodeAt(from)
      const goesOn = (code === 46 || code === 45) && from + 1 < end && !isSplit(text.charCodeAt(from + 1))
      if (open >= 0 && !goesOn) {
        sink.add(open, constant, kind)
        open = -1
      }
      from++
    }
  }
  if (open >= 0) {
    sink.add(open, constant, kind)
  }
  if (constant < end) sink.add(constant, end, undefined)
}

/** The kind of value a piece of letters, digits and underscores is, undefined: a constant. */
function pieceKind(text: string, start: number, end: number, first: boolean): Kind | undefined {
  const length = end - start
  if (length === 0) return undefined
  let digits = 0
  let hex = true
  let part = start
  let numeric = false
  let letters = 0
  for (let at = start; at <= end; at++) {
    const code = at < end ? text.charCodeAt(at) : 95
    if (isDigit(code)) digits++
    else if (code === 95) {
      if (at > part && part + digitsFrom(text, part, at) === at) numeric = true
      part = at + 1
      if (at < end) hex = false
    } else if (isLetter(code)) {
      letters++
      if ((code | 32) > 102) hex = false
    } else hex = false
  }
  if (digits === 0) return length < 6 && length > 3 ? wordKind(text, start, end) : undefined
  if (letters === 0 && digits === length) return 'number'
  if (isDigit(text.charCodeAt(start))) return letters > 0 && hex && length > 5 ? 'hex' : 'number'
  if (hex && length > 5) return 'hex'
  if (digits > 2 || (numeric && length > digits + 1)) return 'id'
  // v2, v1.0
  if (first && (text.charCodeAt(start) | 32) === 118 && letters === 1 && text.charCodeAt(end) === 46) return 'number'
  return undefined
}
