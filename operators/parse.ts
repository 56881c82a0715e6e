import type { EventTime } from './operator.ts'

// What a line of text says of itself: when it was written, and how bad it is. No list of known systems: formats are told
// by their shape, and the time must stand where a header would have it.

/** A time found in a line: `time` in milliseconds since 1970, and the part `[from, to)` of the line that spelled it. */
export interface FoundTime {
  readonly time: EventTime
  readonly from: number
  readonly to: number
}

/** How far into a line its time may begin: host, user and level may stand before it, a message may not. */
const reach = 96

const day = 86_400_000

/**
 * Reads the time in the head of a line. UTC unless the line gives an offset. Where the year is missing, it is the latest
 * that puts the time at or before `reference` plus a day. `a/b/yyyy` is month first unless a is above 12; a two-digit
 * year comes first (log4j, Spark), unless that gives no date. A time of day without a date is not a time.
 *
 * Reads: ISO 8601 and RFC 3339 with any separators, RFC 3164 and RFC 5424 (syslog), RFC 1123, the Common Log Format, C's
 * `asctime`, klog, log4j, MySQL (`yyMMdd HH:mm:ss`), and epoch seconds, ms, us or ns among a line's first two words.
 */
export function readTime(line: string, reference: EventTime): FoundTime | undefined {
  const length = Math.min(line.length, reach)
  let boundary = true
  let words = 0
  let indented = false
  for (let at = 0; at < length; at++) {
    const code = line.charCodeAt(at)
    const kind = code < 128 ? kinds[code]! : other
    if (boundary && kind >= digit) {
      if (indented && words > 0) return undefined
      const found = kind === digit ? readNumeric(line, at, words, reference) : readNamed(line, at, reference)
      if (found !== undefined) return inHead(line, at) ? found : undefined
    }
    if (kind === space) {
      if (at === 0) indented = true
      else if (kinds[line.charCodeAt(at - 1)] !== space) words++
    }
    boundary = kind <= opener
  }
  return undefined
}

const space = 0
/** What may stand right before a time. */
const opener = 1
const other = 2
const digit = 3
const letter = 4
const kinds = new Uint8Array(128).map((_, code) => {
  const character = String.fromCharCode(code)
  if (/\s/.test(character)) return space
  if (/[[({<>"'=,|:;*]/.test(character)) return opener
  if (/\d/.test(character)) return digit
  return /[JFMASONDTWIE]/.test(character) ? letter : other
})

/** A time that follows a word of prose ("expires 2019-01-01") is what the message is about, not when it was written. */
function inHead(line: string, at: number): boolean {
  if (at === 0 || line.charCodeAt(at - 1) !== 32) return true
  const before = line.slice(0, at - 1)
  const start = before.lastIndexOf(' ') + 1
  return start === 0 || !/^[A-Za-z]?[a-z]+$/.test(before.slice(start))
}

const offsetOrZone =
  '(?: ?(?:Z|UTC|GMT)\\b| ?[+-](?:0\\d|1[0-4]):?(?:00|15|30|45)(?!\\d)|[+-](?:0\\d|1[0-4])(?![\\d:]))?'
const clock = '(\\d{1,2}):(\\d{2})(?::(\\d{2})(?:[.,:](\\d{1,9}))?)?'
const meridiem = '( ?[AaPp][Mm]\\b)?'
const sticky = (source: string): RegExp => new RegExp(source, 'y')

const yearFirst = sticky(
  `(\\d{4})([-/.])(\\d{1,2})\\2(\\d{1,2})(?:[T_:,-]| +)(\\d{1,2})[:.](\\d{2})(?:[:.](\\d{2})(?:[.,:](\\d{1,9}))?)?(${offsetOrZone})`,
)
const compact = sticky(
  `(\\d{4})(\\d{2})(\\d{2})[T_ -](\\d{1,2}):?(\\d{2}):?(\\d{2})(?:[.,:](\\d{1,9}))?(${offsetOrZone})(?!\\d)`,
)
const sixDigits = sticky('(\\d{2})(\\d{2})(\\d{2}) +(\\d{1,2}):?(\\d{2}):?(\\d{2})(?![\\d.:])')
const monthName = '(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\\.?'
const dayFirstName = sticky(`(\\d{1,2})([-/ ])${monthName}\\2(\\d{4})[: ]${clock}${meridiem}(${offsetOrZone})`)
const twoFirst = sticky(`(\\d{1,2})([-/.])(\\d{1,2})(?:\\2(\\d{4}|\\d{2}))?,? +${clock}${meridiem}(${offsetOrZone})`)
const monthFirst = sticky(
  `(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? )?${monthName} {1,2}(\\d{1,2}),?(?: (\\d{4}),?)? ${clock}${meridiem}(${offsetOrZone})(?: (\\d{4})\\b)?`,
)
const klog = sticky('[IWEF](\\d{2})(\\d{2}) +(\\d{2}):(\\d{2}):(\\d{2})\\.(\\d{1,9})')
const epoch = sticky('(\\d{10})(?:\\.(\\d{1,9}))?(?![\\w.:/-])|(\\d{13}|\\d{16}|\\d{19})(?![\\w.:/-])')

function match(pattern: RegExp, line: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(line)
}

function readNumeric(line: string, at: number, words: number, reference: EventTime): FoundTime | undefined {
  let end = at + 1
  while (end < line.length && kinds[line.charCodeAt(end)] === digit) end++
  switch (end - at) {
    case 4:
      return readYearFirst(line, at)
    case 1:
    case 2:
      return readTwoFirst(line, at, reference)
    case 6:
      return at === 0 ? readSixDigits(line, at) : undefined
    case 8:
      return readCompact(line, at)
    case 10:
    case 13:
    case 16:
    case 19:
      return words < 2 ? readEpoch(line, at, reference) : undefined
    default:
      return undefined
  }
}

function readYearFirst(line: string, at: number): FoundTime | undefined {
  const found = match(yearFirst, line, at)
  if (found === null) return undefined
  const [text, year, , month, date, hour, minute, second, fraction, zone] = found
  return spelled(at, text, instant(Number(year), Number(month), Number(date), hour, minute, second, fraction, zone))
}

function readCompact(line: string, at: number): FoundTime | undefined {
  const found = match(compact, line, at)
  if (found === null) return undefined
  const [text, year, month, date, hour, minute, second, fraction, zone] = found
  return spelled(at, text, instant(Number(year), Number(month), Number(date), hour, minute, second, fraction, zone))
}

function readSixDigits(line: string, at: number): FoundTime | undefined {
  const found = match(sixDigits, line, at)
  if (found === null) return undefined
  const [text, year, month, date, hour, minute, second] = found
  return spelled(at, text, instant(century(Number(year)), Number(month), Number(date), hour, minute, second))
}

function readTwoFirst(line: string, at: number, reference: EventTime): FoundTime | undefined {
  const named = match(dayFirstName, line, at)
  if (named !== null) {
    const [text, date, , name, year, hour, minute, second, fraction, half, zone] = named
    const time = instant(
      Number(year),
      monthOf(name!),
      Number(date),
      halfDay(hour, half),
      minute,
      second,
      fraction,
      zone,
    )
    return spelled(at, text, time)
  }
  const found = match(twoFirst, line, at)
  if (found === null) return undefined
  const [text, first, , second, third, hour, minute, seconds, fraction, half, zone] = found
  const read = (year: number, month: number, date: number) =>
    instant(year, month, date, halfDay(hour, half), minute, seconds, fraction, zone)
  const a = Number(first)
  const b = Number(second)
  if (third === undefined) {
    const [month, date] = a > 12 ? [b, a] : [a, b]
    return spelled(
      at,
      text,
      withYear(reference, year => read(year, month, date)),
    )
  }
  const c = Number(third)
  if (third.length === 4) return spelled(at, text, a > 12 ? read(c, b, a) : read(c, a, b))
  return spelled(at, text, read(century(a), b, c) ?? read(century(c), b, a) ?? read(century(c), a, b))
}

function readNamed(line: string, at: number, reference: EventTime): FoundTime | undefined {
  const next = line.charCodeAt(at + 1)
  if (next < 128 && kinds[next] === digit) return readKlog(line, at, reference)
  const found = match(monthFirst, line, at)
  if (found === null) return undefined
  const [text, name, date, early, hour, minute, second, fraction, half, zone, late] = found
  const year = early ?? late
  const read = (of: number) =>
    instant(of, monthOf(name!), Number(date), halfDay(hour, half), minute, second, fraction, zone)
  return spelled(at, text, year === undefined ? withYear(reference, read) : read(Number(year)))
}

function readKlog(line: string, at: number, reference: EventTime): FoundTime | undefined {
  const found = match(klog, line, at)
  if (found === null) return undefined
  const [text, month, date, hour, minute, second, fraction] = found
  return spelled(
    at,
    text,
    withYear(reference, year => instant(year, Number(month), Number(date), hour, minute, second, fraction)),
  )
}

/** A number is an epoch only if it falls after 1990 and not a year past the reference. */
function readEpoch(line: string, at: number, reference: EventTime): FoundTime | undefined {
  const found = match(epoch, line, at)
  if (found === null) return undefined
  const [text, seconds, fraction, finer] = found
  const time = finer === undefined ? Number(seconds) * 1_000 + millisecondsOf(fraction) : Number(finer.slice(0, 13))
  return time >= 631_152_000_000 && time <= reference + 366 * day ? spelled(at, text, time) : undefined
}

const spelled = (from: number, text: string, time: EventTime | undefined): FoundTime | undefined =>
  time === undefined ? undefined : { time, from, to: from + text.length }

/** POSIX' strptime: 69-99 is the last century, 00-68 is this one. */
const century = (year: number): number => (year < 69 ? 2000 + year : 1900 + year)

const months = 'JanFebMarAprMayJunJulAugSepOctNovDec'
const monthOf = (name: string): number => months.indexOf(name) / 3 + 1

const millisecondsOf = (fraction: string | undefined): number =>
  fraction === undefined ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'))

function halfDay(hour: string | undefined, half: string | undefined): string | undefined {
  if (half === undefined) return hour
  return String((Number(hour) % 12) + (/p/i.test(half) ? 12 : 0))
}

/** The latest year for which `read` gives a time at or before the reference plus a day; eight cover any leap day. */
function withYear(reference: EventTime, read: (year: number) => EventTime | undefined): EventTime | undefined {
  const newest = new Date(reference + day).getUTCFullYear()
  for (let year = newest; year > newest - 9; year--) {
    const time = read(year)
    if (time !== undefined && time <= reference + day) return time
  }
  return undefined
}

function instant(
  year: number,
  month: number,
  date: number,
  hour: string | undefined,
  minute: string | undefined,
  second?: string | undefined,
  fraction?: string | undefined,
  zone?: string | undefined,
): EventTime | undefined {
  const [hours, minutes, seconds] = [Number(hour), Number(minute), second === undefined ? 0 : Number(second)]
  if (year < 1970 || year > 2199 || month < 1 || month > 12 || date < 1 || date > daysIn(year, month)) return undefined
  if (hours > 23 || minutes > 59 || seconds > 60) return undefined
  return Date.UTC(year, month - 1, date, hours, minutes, seconds, millisecondsOf(fraction)) - offset(zone)
}

const lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
function daysIn(year: number, month: number): number {
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return lengths[month - 1]! + (leap ? 1 : 0)
}

/** `+02:00`, `-0700`, `+02` as milliseconds; Z, UTC, GMT and nothing as 0. */
function offset(zone: string | undefined): number {
  const text = zone?.trimStart() ?? ''
  if (text[0] !== '+' && text[0] !== '-') return 0
  const digits = text.slice(1).replace(':', '').padEnd(4, '0')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2, 4))
  return (text[0] === '-' ? -minutes : minutes) * 60_000
}
