import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { limits, parseSearch } from './parse.ts'
import { printSearch } from './print.ts'
import { queryOf, textOf } from './query.fixture.ts'
import { type Search, SearchError } from './search.ts'

const f = (query: string, want: Search) => assert.deepEqual(parseSearch(query), want, query)

test('the query of the README', () => {
  f('level:error AND service:checkout AND timestamp:last_5m AND "timeout" -status:200 pattern:3f9a1c latency:>500', {
    is: 'and',
    parts: [
      { is: 'level', least: 17, most: 24 },
      { is: 'service', value: ['checkout'] },
      { is: 'time', from: { ago: 300_000 }, to: { ago: 0 } },
      { is: 'text', value: ['timeout'] },
      { is: 'not', part: { is: 'attribute', name: 'status', value: ['200'] } },
      { is: 'pattern', value: ['3f9a1c'] },
      { is: 'number', name: 'latency', above: { value: 500, included: false } },
    ],
  })
})

test('words, phrases and what they may hold', () => {
  f('refused', { is: 'text', value: ['refused'] })
  f('"say \\"hi\\" (now)"', { is: 'text', value: ['say "hi" (now)'] })
  f('time*out', { is: 'text', value: ['time', 'out'] })
  f('5\\*3', { is: 'text', value: ['5*3'] })
  f('std::bad_alloc', { is: 'text', value: ['std::bad_alloc'] })
  f('https://shop.example/cart', { is: 'text', value: ['https://shop.example/cart'] })
  f('10.0.0.1:5432', { is: 'text', value: ['10.0.0.1:5432'] })
  f('--force', { is: 'text', value: ['--force'] })
  f('支付失败', { is: 'text', value: ['支付失败'] })
  f('"AND"', { is: 'text', value: ['AND'] })
  f('*', { is: 'all' })
  f('message:"x: y"', { is: 'text', value: ['x: y'] })
})

test('and, or, not and parentheses', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((word): Search => ({ is: 'text', value: [word] })) as [Search, Search, Search]
  f('a b', { is: 'and', parts: [a, b] })
  f('a OR b c', { is: 'or', parts: [a, { is: 'and', parts: [b, c] }] })
  f('(a OR b) AND c', { is: 'and', parts: [{ is: 'or', parts: [a, b] }, c] })
  f('a AND (b AND c)', { is: 'and', parts: [a, b, c] })
  f('NOT a', { is: 'not', part: a })
  f('a -b', { is: 'and', parts: [a, { is: 'not', part: b }] })
  f('-(a OR b)', { is: 'not', part: { is: 'or', parts: [a, b] } })
  f('service:(api OR web)', {
    is: 'or',
    parts: [
      { is: 'service', value: ['api'] },
      { is: 'service', value: ['web'] },
    ],
  })
})

test('levels are bands of numbers', () => {
  const level = (query: string, least: number, most: number) => f(`level:${query}`, { is: 'level', least, most })
  level('warn', 13, 24)
  level('17', 17, 24)
  level('>=warn', 13, 24)
  level('>warn', 17, 24)
  level('<error', 0, 16)
  level('<=error', 0, 20)
  level('[info TO warn]', 9, 16)
  level('[* TO warn}', 0, 12)
  f('level:>fatal', { is: 'not', part: { is: 'all' } })
  f('severity:error', { is: 'level', least: 17, most: 24 })
})

test('times count back from when it is asked, or are the calendar’s', () => {
  const ten = Date.UTC(2026, 10, 22, 10)
  const time = (query: string, want: object) => f(`timestamp:${query}`, { is: 'time', ...want })
  time('last_1h30m', { from: { ago: 5_400_000 }, to: { ago: 0 } })
  time('2026-11-22', { from: { at: ten - 36_000_000 }, to: { at: ten + 50_399_999 } })
  time('[2026-11-22T10:00:00Z TO now-5m]', { from: { at: ten }, to: { ago: 300_000 } })
  time('[2026-11-22T12:00+02:00 TO *]', { from: { at: ten } })
  time('{2026-11-22T10:00 TO 2026-11-22T10:00:01Z}', { from: { at: ten + 1 }, to: { at: ten + 999 } })
  time('>=2026-11-22T10:00:00Z', { from: { at: ten } })
  time(`<${ten}`, { to: { at: ten - 1 } })
})

test('attributes are found by name, with numbers in ranges', () => {
  f('http.response.status_code:503', { is: 'attribute', name: 'http.response.status_code', value: ['503'] })
  f('user:*', { is: 'attribute', name: 'user', value: ['', ''] })
  f('user:"Anna B"', { is: 'attribute', name: 'user', value: ['Anna B'] })
  f('attributes.level:high', { is: 'attribute', name: 'level', value: ['high'] })
  const number = (query: string, want: object) => f(query, { is: 'number', name: 'latency', ...want })
  number('latency:>=1.5', { above: { value: 1.5, included: true } })
  number('latency:<-2', { below: { value: -2, included: false } })
  number('latency:[100 TO 500}', { above: { value: 100, included: true }, below: { value: 500, included: false } })
  number('latency:[* TO *]', {})
})

test('a query that cannot be read says what is possible, and points at the place', () => {
  const wrong = (query: string, column: number, problem: RegExp) =>
    assert.throws(
      () => parseSearch(query),
      (error: SearchError) => {
        assert.equal(error.name, 'SearchError')
        assert.equal(error.column, column, `${query}: ${error.message}`)
        assert.match(error.message.split('\n')[0]!, problem)
        return true
      },
    )
  wrong('levl:error', 1, /no field 'levl'; did you mean level\? Write attributes\.levl for an attribute$/)
  wrong('Service:a', 1, /did you mean service/)
  wrong('level:eror', 7, /'eror' is no level; use trace, debug/)
  wrong('timestamp:5m', 11, /'5m' is no stretch of time; write last_5m/)
  wrong('timestamp:2026-02-30', 11, /is no stretch of time/)
  wrong('timestamp:[now TO soon]', 19, /'soon' is no time/)
  wrong('latency:>fast', 10, /'fast' is no number/)
  wrong('latency:[1 5]', 9, /the range is not whole; write it as \[1 TO 5\]/)
  wrong('service:>a', 10, /service is no number and no time/)
  wrong('a (b OR c', 3, /the \( is not closed/)
  wrong('a)', 2, /the \) was not opened/)
  wrong('a AND', 6, /is missing at the end/)
  wrong('a AND OR b', 7, /is missing before OR/)
  wrong('', 1, /is missing at the end/)
  wrong('say "hi', 5, /the " is not closed/)
  wrong('Error: timeout', 1, /Error: has no value; write it right behind, or "Error:" for the text/)
  wrong('latency:> 5', 9, /a value is missing right behind >/)
  wrong('user:(a:b)', 7, /a field in a field's parentheses/)
  wrong('('.repeat(10_000), 31, /more than 30 parentheses/)
  wrong('a '.repeat(300), 401, /more than 200 terms/)
  wrong('a'.repeat(20_000), limits.length + 1, /longer than 10000 characters/)
})

test('the ^ stands under the place, also behind wide characters', () => {
  const pointed = (query: string) => {
    try {
      parseSearch(query)
    } catch (error) {
      return (error as Error).message.split('\n').slice(1)
    }
    return []
  }
  assert.deepEqual(pointed('a level:eror b'), ['a level:eror b', '        ^'])
  assert.deepEqual(pointed('支付 level:坏'), ['支付 level:坏', `${' '.repeat(11)}^`])
  const [shown, mark] = pointed(`${'a '.repeat(100)}level:eror ${'b '.repeat(100)}`)
  assert.ok(shown!.startsWith('…') && shown!.endsWith('…') && shown!.length < 130)
  assert.equal(shown![mark!.length - 1], 'e')
  assert.deepEqual(pointed('a\u001b[2J\n)'), ['a [2J )', '      ^'])
})

test('whatever is typed is a query or an error of its own, and a query reads the same when printed', () => {
  const typed = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.nat().map(queryOf))
  fc.assert(
    fc.property(typed, query => {
      let search: Search
      try {
        search = parseSearch(query)
      } catch (error) {
        if (!(error instanceof SearchError)) throw error
        return
      }
      assert.deepEqual(parseSearch(printSearch(search)), search)
    }),
    { numRuns: 30_000 },
  )
})

test('any text can be looked for', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), text =>
      assert.deepEqual(parseSearch(textOf(text)), { is: 'text', value: [text] }),
    ),
  )
})
