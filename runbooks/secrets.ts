const mark = '***'

/** Shorter values are not masked: they would tear holes into everything, and are no secrets to rely on. */
const shortest = 6

/**
 * Masks known secret values wherever text leaves the process: journal, topics, log lines, errors. A value is also found
 * in base64 (at any of its three alignments, standard and URL alphabet), percent-encoded, JSON-escaped and in hex,
 * because tools print what they were given in many ways.
 */
export class Secrets {
  readonly #needles: readonly string[]
  /** Length of the longest form of a value: text must not be cut closer than this to where it is masked. */
  readonly longest: number

  constructor(values: readonly string[]) {
    const forms = new Set(values.filter(value => value.length >= shortest).flatMap(formsOf))
    this.#needles = [...forms].sort((a, b) => b.length - a.length)
    this.longest = this.#needles[0]?.length ?? 0
  }

  mask(text: string): string {
    let masked = text
    for (const needle of this.#needles) masked = masked.replaceAll(needle, mark)
    return masked
  }

  /** Masks every string inside a JSON value, names of fields included. */
  maskAll<T>(value: T): T {
    if (this.#needles.length === 0) return value
    if (typeof value === 'string') return this.mask(value) as T
    if (Array.isArray(value)) return value.map(item => this.maskAll(item)) as T
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [this.mask(name), this.maskAll(item)])) as T
  }

  /** Masks, then cuts to at most `limit` characters and says so. */
  bound(text: string, limit: number): string {
    const masked = this.mask(text)
    return masked.length <= limit ? masked : `${masked.slice(0, limit)}\n[cut at ${limit} characters]`
  }
}

function formsOf(value: string): string[] {
  return [
    value,
    encodeURIComponent(value),
    new URLSearchParams({ v: value }).toString().slice(2),
    JSON.stringify(value).slice(1, -1),
    Buffer.from(value).toString('hex'),
    ...[0, 1, 2].flatMap(alignment => base64At(value, alignment)),
  ]
}

/** What of a value's base64 does not depend on the bytes before and after it. */
function base64At(value: string, alignment: number): string[] {
  const bytes = Buffer.concat([Buffer.alloc(alignment), Buffer.from(value)])
  const first = Math.ceil((alignment * 8) / 6)
  const last = Math.floor((bytes.length * 8) / 6)
  const text = bytes.toString('base64').slice(first, last)
  return text.length < shortest ? [] : [text, text.replaceAll('+', '-').replaceAll('/', '_')]
}
