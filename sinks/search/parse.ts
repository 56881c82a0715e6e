import { readTerm } from './read-term.ts'
import { type Search, SearchError } from './search.ts'
import { type Token, tokensOf } from './tokens.ts'

/** Longest query, in UTF-16 units; most terms of one; and how deep its parentheses may stand in each other. */
export const limits = { length: 10_000, terms: 200, depth: 30 } as const

/**
 * Reads a query: words, "phrases" and `field:value`, joined by AND (or by nothing), OR, NOT or `-`, and parentheses.
 *
 * - a word or phrase is looked for anywhere in the line, whatever its case; `*` in a word stands for anything
 * - `level:warn` is warn and worse; `level:[info TO warn]`, `level:<error`
 * - `timestamp:last_5m`, `timestamp:2026-11-22`, `timestamp:[2026-11-22T10:00:00Z TO now-5m]`, `timestamp:>=…`
 * - `service:`, `environment:`, `pattern:`, `trace:`, `span:` are matched as they are, `*` stands for anything
 * - any other name is an attribute's: `status:200`, `latency:>500`, `latency:[100 TO 500]`, `user:*` if there is one
 * - `field:(a OR b)` is `field:a OR field:b`
 * @throws {SearchError} pointing at what cannot be read
 */
export function parseSearch(query: string): Search {
  if (query.length > limits.length)
    throw new SearchError(query, limits.length, `the query is longer than ${limits.length} characters; shorten it`)
  return new Parser(query).whole()
}

class Parser {
  readonly #query: string
  readonly #tokens: readonly Token[]
  #next = 0
  #depth = 0
  #terms = 0
  /** Of the parentheses that a field stands before. */
  #field: Token | undefined

  constructor(query: string) {
    this.#query = query
    this.#tokens = tokensOf(query)
  }

  whole(): Search {
    const found = this.#or()
    const rest = this.#peek()
    if (rest.is !== 'end') throw this.#error(rest, 'the ) was not opened')
    return found
  }

  #peek(): Token {
    return this.#tokens[this.#next]!
  }

  #accept(is: Token['is']): boolean {
    if (this.#peek().is !== is) return false
    this.#next++
    return true
  }

  #or(): Search {
    const parts = [this.#and()]
    while (this.#accept('OR')) parts.push(this.#and())
    return joined('or', parts)
  }

  #and(): Search {
    const parts = [this.#not()]
    while (this.#accept('AND') || !['OR', ')', 'end'].includes(this.#peek().is)) parts.push(this.#not())
    return joined('and', parts)
  }

  #not(): Search {
    const token = this.#peek()
    if (token.is !== 'NOT' && token.is !== '-') return this.#leaf()
    this.#next++
    return this.#nested(token, () => ({ is: 'not', part: this.#not() }))
  }

  #leaf(): Search {
    const token = this.#tokens[this.#next++]!
    if (token.is === 'end') throw this.#error(token, 'a word, "phrase" or field:value is missing at the end')
    if (token.is === 'AND' || token.is === 'OR' || token.is === ')')
      throw this.#error(token, `a word, "phrase" or field:value is missing before ${token.is}`)
    if (++this.#terms > limits.terms) throw this.#error(token, `more than ${limits.terms} terms; ask for less at once`)
    if (token.is === '(') return this.#group(token)
    if (token.is !== 'field') return readTerm(this.#query, this.#field, token)
    if (this.#field)
      throw this.#error(token, `there is a field in a field's parentheses; close them, or quote the ${token.name}:`)
    const value = this.#peek()
    if (value.is !== '(' || value.at !== token.at + token.name.length + 1) return this.#value(token)
    this.#next++
    this.#field = token
    const group = this.#group(value)
    this.#field = undefined
    return group
  }

  #value(field: Token & { is: 'field' }): Search {
    const behind = field.at + field.name.length + 1
    const token = this.#peek()
    if (token.at !== behind || token.is === ')' || token.is === 'end')
      throw this.#error(field, `${field.name}: has no value; write it right behind, or "${field.name}:" for the text`)
    this.#next++
    if (token.is !== 'comparison') return readTerm(this.#query, field, token)
    const value = this.#peek()
    if (value.at !== token.at + token.sign.length || (value.is !== 'word' && value.is !== 'phrase'))
      throw this.#error(token, `a value is missing right behind ${token.sign}`)
    this.#next++
    return readTerm(this.#query, field, value, token.sign)
  }

  #group(open: Token): Search {
    return this.#nested(open, () => {
      const inner = this.#or()
      if (!this.#accept(')')) throw this.#error(open, 'the ( is not closed')
      return inner
    })
  }

  #nested(token: Token, read: () => Search): Search {
    if (++this.#depth > limits.depth)
      throw this.#error(token, `more than ${limits.depth} parentheses and NOT in each other; write it flatter`)
    const found = read()
    this.#depth--
    return found
  }

  #error({ at }: Token, problem: string): SearchError {
    return new SearchError(this.#query, at, problem)
  }
}

/** `a AND (b AND c)` is `a AND b AND c`. */
function joined(is: 'and' | 'or', parts: readonly Search[]): Search {
  if (parts.length === 1) return parts[0]!
  return { is, parts: parts.flatMap(part => (part.is === is ? part.parts : [part])) }
}
