import { value, weak } from './variability.ts'
import { type Kind, pieces, type Sink, wordKind } from './words.ts'

/** No word is as long; what is, Base64 say, is data. A template has to stay short enough to be passed on. */
const LONGEST_WORD = 500

/**
 * Cuts lines into constant words, punctuation and variables, and keeps the last line's cut: where each part begins and
 * ends, what kind of variable it is (0: none), and whether white space precedes it. Nothing is allocated per line, so
 * that a known line costs a walk over its characters and a look into a map, by its `key`.
 */
export class Scan implements Sink {
  text = ''
  count = 0
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly kinds: Uint8Array
  readonly gaps: Uint8Array
  readonly #most: number
  #gap = 0
  #full = false
  /** The hash before each part. */
  readonly #hashes: Int32Array
  /** The part that is a list of values; -1: none. */
  #list = -1
  #hash = 0

  /** @param most parts of a line that are looked at; the rest counts as one variable */
  constructor(most: number) {
    this.#most = most
    this.starts = new Int32Array(most + 1)
    this.ends = new Int32Array(most + 1)
    this.kinds = new Uint8Array(most + 1)
    this.gaps = new Uint8Array(most + 1)
    this.#hashes = new Int32Array(most + 1)
  }

  /** A small number that is the same for lines that differ in their values alone, and seldom for others. */
  get key(): number {
    return (this.#hash ^ (this.#hash >>> 15)) & 0x3fffffff
  }

  /** The parts as words of a template; one after white space begins with a space, a variable is `<*>`. */
  words(): string[] {
    const words: string[] = []
    for (let at = 0; at < this.count; at++) words.push(this.word(at))
    return words
  }

  word(at: number): string {
    const kind = this.kinds[at]!
    const word = kind === 0 ? this.text.slice(this.starts[at]!, this.ends[at]!) : kind === 2 ? weak : value
    return this.gaps[at] === 1 && at > 0 ? ` ${word}` : word
  }

  /** Reads a line. Of a text of several lines, a stack trace say, the first that is not blank speaks for all. */
  read(text: string): void {
    this.text = text
    this.count = 0
    this.#gap = 0
    this.#full = false
    this.#list = -1
    this.#hash = 0x811c9dc5
    const length = text.length
    let at = 0
    while (at < length && this.count < this.#most) {
      const code = text.charCodeAt(at)
      if (code <= 32) {
        if (code === 10 && this.count > 0) break
        this.#gap = 1
        at++
      } else if (isDelimiter(code)) {
        at = this.#delimiter(at, code)
      } else at = this.#word(at)
    }
    if (this.#full || (at < length && text.slice(at).trim() !== '')) this.#rest(at)
  }

  /** What is left of the text is one value, in the last place if there is none free. */
  #rest(start: number): void {
    if (this.count === this.#most) {
      this.count--
      this.#hash = this.#hashes[this.count]!
    }
    this.#full = false
    this.#gap = 1
    this.add(start, this.text.length, 'text')
  }

  add(start: number, end: number, kind: Kind | undefined): void {
    if (this.#isFull()) return
    if (kind !== undefined && this.#gap === 1 && this.#isListed()) {
      this.ends[this.count - 1] = end
      this.#gap = 0
      return
    }
    const at = this.count++
    this.starts[at] = start
    this.ends[at] = end
    this.gaps[at] = this.#gap
    this.kinds[at] = kind === undefined ? 0 : kind === 'name' ? 2 : 1
    let hash = Math.imul(this.#hash ^ (this.#gap + 1), 0x01000193)
    if (kind === undefined) {
      for (let place = start; place < end; place++) {
        const code = this.text.charCodeAt(place)
        hash = Math.imul(hash ^ code, 0x01000193)
      }
    } else {
      hash = Math.imul(hash ^ this.kinds[at]!, 0x01000193)
    }
    this.#hash = hash
    this.#gap = 0
  }

  #isFull(): boolean {
    if (this.count === this.#most) this.#full = true
    else this.#hashes[this.count] = this.#hash
    return this.#full
  }

  #delimiter(at: number, code: number): number {
    // `<1 sec`: a bound is one value with its unit.
    if (code === 60 && isDigit(this.text.charCodeAt(at + 1))) {
      const end = boundEnd(this.text, at + 1)
      if (end > 0) {
        this.add(at, end, 'duration')
        return end
      }
    }
    // `1210 bytes (1.18 KB)`: a size and the same size again, for people.
    if (code === 40 && this.count > 1 && this.kinds[this.count - 2] !== 0) {
      const end = restatementEnd(this.text, at)
      if (end > 0) {
        this.#gap = 1
        return end
      }
    }
    const next = this.text.charCodeAt(at + 1)
    // An address that begins with two colons: ::ffff:10.0.0.1
    if (code === 58 && next === 58 && isHexDigit(this.text.charCodeAt(at + 2))) {
      let end = at + 2
      while (isHexDigit(this.text.charCodeAt(end)) || isAddressMark(this.text.charCodeAt(end))) end++
      if (!isWordCode(this.text.charCodeAt(end)) && (at === 0 || !isWordCode(this.text.charCodeAt(at - 1)))) {
        this.add(at, end, 'ip')
        return end
      }
    }
    this.add(at, at + 1, undefined)
    // Brackets that stand alone with nothing in them hold an empty value.
    if (((code === 40 && next === 41) || (code === 91 && next === 93)) && this.gaps[this.count - 1] === 1)
      this.add(at + 1, at + 1, 'text')
    return at + 1
  }

  /** Whether this value goes on a list: five values on end are one, and all that follow. */
  #isListed(): boolean {
    const { count, kinds, gaps } = this
    if (this.#list === count - 1 && count > 0) return true
    if (count < 4 || kinds[count - 4] !== 1) return false
    for (let at = count - 3; at < count; at++) if (kinds[at] !== 1 || gaps[at] === 0) return false
    this.count -= 3
    this.#hash = this.#hashes[this.count]!
    this.#list = this.count - 1
    return true
  }

  #word(start: number): number {
    const { text } = this
    const length = text.length
    let hash = Math.imul(this.#hash ^ (this.#gap + 1), 0x01000193)
    let at = start
    let plain = true
    let digits = 0
    for (; at < length; at++) {
      const code = text.charCodeAt(at)
      if (code > 127 || classOf[code] === other) plain = false
      else if (classOf[code] === digit) digits++
      else if (classOf[code] === end) break
      hash = Math.imul(hash ^ code, 0x01000193)
    }
    const size = at - start
    if (size > LONGEST_WORD) {
      this.add(start, at, 'text')
      return at
    }
    const next = text.charCodeAt(at)
    if (plain && (next !== 58 || size > 4 || !isJoinable(text.charCodeAt(at + 1)))) {
      if (digits === size) {
        this.add(start, at, 'number')
        return at
      }
      if (digits === 0) {
        if ((size === 3 || size > 5) && isDayOrMonth(text, start)) {
          const last = dateEnd(text, start)
          if (last > 0) {
            this.add(start, last, 'time')
            return last
          }
        }
        if ((size === 8 || size === 16) && isHexWord(text, start, at)) this.add(start, at, 'hex')
        else if ((size === 4 || size === 5) && wordKind(text, start, at) !== undefined) this.add(start, at, 'name')
        else this.#constant(start, at, hash)
        return at
      }
    }
    return this.#mixed(start, at, next)
  }

  /** A word of letters and other characters. */
  #mixed(start: number, end: number, next: number): number {
    const { text } = this
    if (next === 58 && end - start === 1 && text.charCodeAt(end + 1) === 92) {
      let at = end
      while (at < text.length && text.charCodeAt(at) > 32 && !isQuote(text.charCodeAt(at))) at++
      this.add(start, at, 'path')
      return at
    }
    if (isDigit(text.charCodeAt(start)) && isDateMark(text.charCodeAt(start + 4), text.charCodeAt(start + 2))) {
      const last = dateEnd(text, start)
      if (last >= end) {
        this.add(start, last, 'time')
        return last
      }
    }
    return pieces(text, start, end, this)
  }

  #constant(start: number, end: number, hash: number): void {
    if (this.#isFull()) return
    const at = this.count++
    this.starts[at] = start
    this.ends[at] = end
    this.gaps[at] = this.#gap
    this.kinds[at] = 0
    this.#hash = hash
    this.#gap = 0
  }
}

const zone = '(?: ?(?:Z|UTC|[A-Z]{2,3}T|[+-]\\d\\d:?\\d\\d)(?![\\w:]))?'
const clock = `\\d\\d?:\\d\\d(?::\\d\\d(?:[.,]\\d+)?)?${zone}`
const days = '(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? +)?'
const months = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*'
// Fri Jun 17 07:07:00 2005; Tue, 05 Nov 1994 08:15:30 GMT; 1994-11-05T13:15:30Z
const date = new RegExp(
  `${days}(?:${months} +\\d\\d?,?(?: \\d{4})? ${clock}(?: \\d{4})?|\\d\\d? ${months} \\d{4} ${clock})|\\d\\d/${months}/\\d{4}:\\d\\d:\\d\\d:\\d\\d${zone}|(?:\\d{4}-\\d\\d-\\d\\d|\\d{4}/\\d\\d/\\d\\d|\\d\\d/\\d\\d/\\d{4})(?:[T ]${clock})?`,
  'y',
)

/** Where a calendar date ends that begins here, 0 if none does. */
function dateEnd(text: string, start: number): number {
  date.lastIndex = start
  return date.test(text) ? date.lastIndex : 0
}

const named = new Set('Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' '))

function isDayOrMonth(text: string, start: number): boolean {
  const code = text.charCodeAt(start)
  return code > 64 && code < 88 && named.has(text.slice(start, start + 3))
}

/** Where a bound such as `1 sec` ends, 0 if there is none. */
function boundEnd(text: string, start: number): number {
  const found = /^\d+(?:\.\d+)? ?(?:[mun]?s|sec|secs|seconds?|min|mins|minutes?|h|hours?)\b/.exec(
    text.slice(start, start + 20),
  )
  return found === null ? 0 : start + found[0].length
}

function restatementEnd(text: string, start: number): number {
  if (!isDigit(text.charCodeAt(start + 1))) return 0
  const found = /^\(\d+(?:[.,]\d+)? ?[KMGTP]i?B\) ?/.exec(text.slice(start, start + 20))
  return found === null ? 0 : start + found[0].length
}

/** What stands after a year, or after a day or month. */
const isDateMark = (fourth: number, second: number): boolean => fourth === 45 || fourth === 47 || second === 47
/** What may follow the colon of a clock, a hardware address or a drive. */
const isJoinable = (code: number): boolean => isHexDigit(code) || code === 92
/** Eight letters from a to f are a register, no word: ffffffff. */
function isHexWord(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (!isHexDigit(text.charCodeAt(at))) return false
  return true
}

const isQuote = (code: number): boolean => code === 34 || code === 39
const isAddressMark = (code: number): boolean => code === 58 || code === 46
const isWordCode = (code: number): boolean =>
  isDigit(code) || (code > 96 && code < 123) || (code > 64 && code < 91) || code === 95
const isHexDigit = (code: number): boolean => isDigit(code) || (code > 96 && code < 103) || (code > 64 && code < 71)
const isDigit = (code: number): boolean => code > 47 && code < 58

const delimiters = new Uint8Array(128)
for (const one of '=:,;()[]{}"\'<>|!') delimiters[one.charCodeAt(0)] = 1

const letter = 0
const digit = 1
const other = 2
const end = 3
const classOf = Uint8Array.from({ length: 128 }, (_, code) => {
  if (code <= 32 || delimiters[code] === 1) return end
  if (isDigit(code)) return digit
  return (code | 32) > 96 && (code | 32) < 123 && code > 64 ? letter : other
})

export const isDelimiter = (code: number): boolean => code < 128 && delimiters[code] === 1
