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
  #low = 0
  #high = 0

  /** @param most parts of a line that are looked at; the rest counts as one variable */
  constructor(most: number) {
    this.#most = most
    this.starts = new Int32Array(most + 1)
    this.ends = new Int32Array(most + 1)
    this.kinds = new Uint8Array(most + 1)
    this.gaps = new Uint8Array(most + 1)
  }

  /** A number of 53 bits that is the same for lines that differ in their variables alone. */
  get key(): number {
    return (this.#high >>> 0) * 0x200000 + (this.#low >>> 11)
  }

  /** The parts as words of a template; one after white space begins with a space, a variable is `<*>`. */
  tokens(): string[] {
    const tokens: string[] = []
    for (let at = 0; at < this.count; at++) {
      const word = this.kinds[at] === 0 ? this.text.slice(this.starts[at]!, this.ends[at]!) : '<*>'
      tokens.push(this.gaps[at] === 1 && at > 0 ? ` ${word}` : word)
    }
    return tokens
  }

  /** Reads a line. Of a text of several lines, a stack trace say, the first that is not blank speaks for all. */
  read(text: string): void {
    this.text = text
    this.count = 0
    this.#gap = 0
    this.#low = 0x811c9dc5
    this.#high = 0x2c1b3c6d
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
    if (at < length && text.slice(at).trim() !== '') {
      this.#gap = 1
      if (this.count === this.#most) this.count--
      this.add(at, length, 'text')
    }
  }

  add(start: number, end: number, kind: Kind | undefined): void {
    if (this.count > this.#most) return
    const at = this.count++
    this.starts[at] = start
    this.ends[at] = end
    this.gaps[at] = this.#gap
    this.kinds[at] = kind === undefined ? 0 : 1
    let low = Math.imul(this.#low ^ (this.#gap + 1), 0x01000193)
    let high = Math.imul(this.#high ^ (this.#gap + 3), 0x5bd1e995)
    if (kind === undefined) {
      for (let place = start; place < end; place++) {
        const code = this.text.charCodeAt(place)
        low = Math.imul(low ^ code, 0x01000193)
        high = Math.imul(high ^ code, 0x5bd1e995)
        high ^= high >>> 15
      }
    } else {
      low = Math.imul(low ^ 0x1f, 0x01000193)
      high = Math.imul(high ^ 0x1f, 0x5bd1e995)
    }
    this.#low = low
    this.#high = high ^ (high >>> 13)
    this.#gap = 0
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
    this.add(at, at + 1, undefined)
    return at + 1
  }

  #word(start: number): number {
    const { text } = this
    const length = text.length
    let at = start
    let plain = true
    for (; at < length; at++) {
      const code = text.charCodeAt(at)
      if ((code > 96 && code < 123) || (code > 64 && code < 91)) continue
      if (code <= 32 || isDelimiter(code)) break
      plain = false
    }
    if (at - start > LONGEST_WORD) {
      this.add(start, at, 'text')
      return at
    }
    const short = at - start
    if (plain && !(short < 5 && short > 1 && text.charCodeAt(at) === 58 && isHexDigit(text.charCodeAt(at + 1)))) {
      this.add(start, at, short === 4 || short === 5 ? wordKind(text, start, at) : undefined)
      return at
    }
    return pieces(text, start, at, this)
  }
}

/** Where a bound such as `1 sec` ends, 0 if there is none. */
function boundEnd(text: string, start: number): number {
  const found = /^\d+(?:\.\d+)? ?(?:[mun]?s|sec|secs|seconds?|min|mins|minutes?|h|hours?)\b/.exec(text.slice(start, start + 20))
  return found === null ? 0 : start + found[0].length
}

function restatementEnd(text: string, start: number): number {
  if (!isDigit(text.charCodeAt(start + 1))) return 0
  const found = /^\(\d+(?:[.,]\d+)? ?[KMGTP]i?B\) ?/.exec(text.slice(start, start + 20))
  return found === null ? 0 : start + found[0].length
}

const isHexDigit = (code: number): boolean => isDigit(code) || (code > 96 && code < 103) || (code > 64 && code < 71)
const isDigit = (code: number): boolean => code > 47 && code < 58

const delimiters = new Uint8Array(128)
for (const one of '=:,;()[]{}"\'<>|!') delimiters[one.charCodeAt(0)] = 1

export const isDelimiter = (code: number): boolean => code < 128 && delimiters[code] === 1
