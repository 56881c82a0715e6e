import { SearchError, type Text } from './search.ts'

/** A piece of a query, and where it begins. */
export type Token = { readonly at: number } & (
  | { readonly is: '(' | ')' | 'AND' | 'OR' | 'NOT' | '-' | 'end' }
  /** `name:`, without the colon. */
  | { readonly is: 'field'; readonly name: string }
  /** `>`, `>=`, `<` or `<=` right behind a field. */
  | { readonly is: 'comparison'; readonly sign: string }
  /** `[low TO high]` behind a field, `{` and `}` where an end is not included. */
  | { readonly is: 'range'; readonly low: Edge; readonly high: Edge }
  | { readonly is: 'phrase'; readonly text: string }
  | { readonly is: 'word'; readonly text: Text }
)

export interface Edge {
  readonly text: string
  readonly at: number
  readonly included: boolean
}

// What has two colons or two slashes behind it is no field: std::bad_alloc, https://host.
const FIELD = /([\p{L}_@][\p{L}\p{N}_.@/-]*):(?!:|\/\/)/uy
const COMPARISON = /[<>]=?/y
const SPACE = /\s+/y
const RANGE = /([[{])\s*(\S+)\s+TO\s+([^\s\]}]+)\s*([\]}])/y
const END_OF_WORD = /[\s()"]/

/** Cuts a query into tokens; the last one is its end. @throws {SearchError} */
export function tokensOf(query: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < query.length) {
    const space = match(SPACE, query, at)
    if (space) at += space[0].length
    else {
      const behind = tokens.at(-1)
      // A value stands right behind its field.
      const isValue =
        behind !== undefined && (behind.is === 'field' || behind.is === 'comparison') && !spaced(query, at)
      const { token, end } = isValue ? valueAt(query, at, behind.is === 'field') : tokenAt(query, at)
      tokens.push(token)
      at = end
    }
  }
  tokens.push({ is: 'end', at: query.length })
  return tokens
}

interface Cut {
  readonly token: Token
  readonly end: number
}

const spaced = (query: string, at: number): boolean => /\s/.test(query[at - 1] ?? ' ')

function match(pattern: RegExp, query: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(query)
}

function tokenAt(query: string, at: number): Cut {
  const field = match(FIELD, query, at)
  if (field) return { token: { is: 'field', name: field[1]!, at }, end: at + field[0].length }
  // A minus by itself, or before a space, is text.
  if (query[at] === '-' && /[^\s)-]/.test(query[at + 1] ?? ' ')) return { token: { is: '-', at }, end: at + 1 }
  return textAt(query, at)
}

function valueAt(query: string, at: number, mayCompare: boolean): Cut {
  const sign = mayCompare ? match(COMPARISON, query, at)?.[0] : undefined
  if (sign !== undefined) return { token: { is: 'comparison', sign, at }, end: at + sign.length }
  if (mayCompare && (query[at] === '[' || query[at] === '{')) return rangeAt(query, at)
  return textAt(query, at)
}

function rangeAt(query: string, at: number): Cut {
  const found = match(RANGE, query, at)
  if (!found) throw new SearchError(query, at, 'the range is not whole; write it as [1 TO 5], with * for an open end')
  const [all, open, low = '', high = '', close] = found
  const edge = (text: string, from: number, included: boolean): Edge => ({
    text,
    at: query.indexOf(text, from),
    included,
  })
  const first = edge(low, at + 1, open === '[')
  const token: Token = { is: 'range', at, low: first, high: edge(high, first.at + low.length + 3, close === ']') }
  return { token, end: at + all.length }
}

function textAt(query: string, at: number): Cut {
  const first = query[at]!
  if (first === '(' || first === ')') return { token: { is: first, at }, end: at + 1 }
  if (first === '"') return phraseAt(query, at)
  return wordAt(query, at)
}

function phraseAt(query: string, at: number): Cut {
  let text = ''
  for (let next = at + 1; next < query.length; next++) {
    const character = query[next]!
    if (character === '"') return { token: { is: 'phrase', text, at }, end: next + 1 }
    if (character === '\\' && /["\\]/.test(query[next + 1] ?? '')) text += query[++next]
    else text += character
  }
  throw new SearchError(query, at, 'the " is not closed; write \\" for a quote itself')
}

function wordAt(query: string, at: number): Cut {
  const pieces: string[] = []
  let piece = ''
  let next = at
  for (; next < query.length && !END_OF_WORD.test(query[next]!); next++) {
    const character = query[next]!
    if (character === '*') {
      pieces.push(piece)
      piece = ''
    } else if (character === '\\' && next + 1 < query.length) piece += query[++next]
    else piece += character
  }
  const word = query.slice(at, next)
  if (word === 'AND' || word === 'OR' || word === 'NOT') return { token: { is: word, at }, end: next }
  const [first = piece, ...rest] = [...pieces, piece]
  return { token: { is: 'word', text: [first, ...rest], at }, end: next }
}
