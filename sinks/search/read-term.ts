import { readLevel } from '../../operators/severity.ts'
import { readMoments } from './read-time.ts'
import {
  aliases,
  attributePrefix,
  type Bound,
  type Column,
  columns,
  fields,
  quoted,
  type Search,
  SearchError,
  type Text,
} from './search.ts'
import type { Token } from './tokens.ts'

/** One value as it was written. */
export interface Written {
  readonly text: Text
  readonly at: number
}

/** A lower and an upper end, either of them open. */
export interface Ends {
  readonly low?: Edge
  readonly high?: Edge
}
interface Edge {
  readonly text: string
  readonly at: number
  readonly included: boolean
}

/** Reads a term: what stands behind a field, or a word or phrase by itself. @throws {SearchError} */
export function readTerm(query: string, field: Token | undefined, token: Token, sign?: string): Search {
  if (field?.is !== 'field') return textOf(textIn(query, token))
  const name = aliases.get(field.name) ?? field.name
  if (name === 'level') return levelOf(query, token, sign)
  if (name === 'timestamp') return { is: 'time', ...readMoments(query, endsOf(token, sign)) }
  if (isColumn(name)) return { is: name, value: plainText(query, name, token, sign) }
  if (name === 'message') return textOf(plainText(query, name, token, sign))
  return attributeOf(query, field.name, field.at, token, sign)
}

const isColumn = (name: string): name is Column => (columns as readonly string[]).includes(name)

/** A lone `*` asks for every line. */
const textOf = (value: Text): Search =>
  value.length > 1 && value.every(piece => piece === '') ? { is: 'all' } : { is: 'text', value: tidy(value) }

/** `**` is `*`. */
function tidy([first, ...rest]: Text): Text {
  const last = rest.pop()
  if (last === undefined) return [first]
  return [first, ...rest.filter(piece => piece !== ''), last]
}

function textIn(query: string, token: Token): Text {
  if (token.is === 'phrase') return [token.text]
  if (token.is === 'word') return token.text
  throw new SearchError(query, token.at, 'a word or "phrase" is missing')
}

function plainText(query: string, name: string, token: Token, sign: string | undefined): Text {
  if (sign !== undefined || token.is === 'range')
    throw new SearchError(query, token.at, `${name} is no number and no time; write ${name}:value, with * for anything`)
  return tidy(textIn(query, token))
}

/** One value with a sign, or a range, as two ends; undefined: it is one value. */
export function endsOf(token: Token, sign: string | undefined): Ends | Written {
  if (token.is === 'range') return { ...edgeOf('low', token.low), ...edgeOf('high', token.high) }
  const text: Text = token.is === 'word' ? token.text : token.is === 'phrase' ? [token.text] : ['']
  if (sign === undefined) return { text, at: token.at }
  const edge = { text: text.join('*'), at: token.at, included: sign.endsWith('=') }
  return sign.startsWith('>') ? { low: edge } : { high: edge }
}

const edgeOf = (end: 'low' | 'high', edge: Edge): Ends => (edge.text === '*' ? {} : { [end]: edge })

const MOST = 24

function levelOf(query: string, token: Token, sign: string | undefined): Search {
  const value = endsOf(token, sign)
  if ('text' in value) {
    const { at, text } = value
    return { is: 'level', least: severityOf(query, { at, text: text.join('*') }).from, most: MOST }
  }
  const { low, high } = value
  const [above, below] = [low && severityOf(query, low), high && severityOf(query, high)]
  const least = low && above ? (low.included ? above.from : above.to + 1) : 0
  const most = high && below ? (high.included ? below.to : below.from - 1) : MOST
  return least > most || most < 0 ? { is: 'not', part: { is: 'all' } } : { is: 'level', least, most }
}

/** The numbers a level has: those of a word are four, which its finer words share. */
function severityOf(query: string, { text, at }: { text: string; at: number }): { from: number; to: number } {
  if (/^\d{1,2}$/.test(text) && Number(text) <= MOST) return { from: Number(text), to: Number(text) }
  const severity = readLevel(text)
  if (severity > 0) return { from: severity, to: Math.ceil(severity / 4) * 4 }
  throw new SearchError(query, at, `${quoted(text)} is no level; use trace, debug, info, warn, error, fatal or 1 to 24`)
}

function attributeOf(query: string, written: string, at: number, token: Token, sign: string | undefined): Search {
  const name = written.startsWith(attributePrefix) ? written.slice(attributePrefix.length) : written
  const meant = name === written ? fields.find(field => isTypoOf(written, field)) : undefined
  if (meant !== undefined)
    throw new SearchError(
      query,
      at,
      `no field ${quoted(written)}; did you mean ${meant}? Write ${attributePrefix}${written} for an attribute`,
    )
  if (name === '') throw new SearchError(query, at, `the name of an attribute is missing behind ${attributePrefix}`)
  const value = endsOf(token, sign)
  if ('text' in value) return { is: 'attribute', name, value: tidy(value.text) }
  const { low, high } = value
  return {
    ...{ is: 'number', name },
    ...(low ? { above: numberOf(query, low) } : {}),
    ...(high ? { below: numberOf(query, high) } : {}),
  }
}

function numberOf(query: string, { text, at, included }: Edge): Bound {
  if (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text)))
    return { value: Number(text) + 0, included }
  throw new SearchError(query, at, `${quoted(text)} is no number, and attributes are compared as numbers`)
}

/** One letter wrong, missing, too many, or two swapped, in a name of at least four. */
function isTypoOf(written: string, field: string): boolean {
  const [a, b] = [written.toLowerCase(), field]
  if (a === b) return written !== field
  if (b.length < 4 || Math.abs(a.length - b.length) > 1) return false
  let at = 0
  while (a[at] === b[at]) at++
  const rest = (text: string, skipped: number) => text.slice(at + skipped)
  const swapped = a[at] === b[at + 1] && a[at + 1] === b[at] && rest(a, 2) === rest(b, 2)
  return (
    swapped ||
    [
      [1, 1],
      [1, 0],
      [0, 1],
    ].some(([mine, its]) => rest(a, mine!) === rest(b, its!))
  )
}
