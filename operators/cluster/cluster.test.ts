import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Event } from '../operator.ts'
import type { LogLine, Pattern, PatternedLine } from '../signal.ts'
import { type ClusterState, cluster } from './cluster.ts'

const lineOf = (body: string, time: number): Event<LogLine> => ({
  key: 'prod/shop',
  time,
  origin: { stream: 's', offset: time, index: 0 },
  value: { type: 'log', environment: 'prod', service: 'shop', severity: 9, body, attributes: {} },
})

function drive(
  bodies: readonly string[],
  config: Parameters<typeof cluster>[0] = {},
  restartAfter = Number.POSITIVE_INFINITY,
) {
  let logic = cluster(config).create()
  let state = logic.init('prod/shop') as ClusterState
  const outputs: (PatternedLine | Pattern)[] = []
  bodies.forEach((body, time) => {
    const [next, given] = logic.step(state, lineOf(body, time))
    outputs.push(...(given as (PatternedLine | Pattern)[]))
    state = next!
    if (time % restartAfter !== restartAfter - 1) return
    logic = cluster(config).create()
    state = JSON.parse(JSON.stringify(state)) as ClusterState
  })
  const lines = outputs.filter(output => output.type === 'line')
  const patterns = outputs.filter(output => output.type === 'pattern')
  const templates = new Map(patterns.map(({ pattern, template }) => [pattern, template]))
  return { outputs, lines, patterns, state, templates: lines.map(({ pattern }) => templates.get(pattern)) }
}

const word = fc.constantFrom(
  'user',
  'anna',
  'bert',
  'logged',
  'in',
  'out',
  '42',
  '10.0.0.7',
  'failed',
  'x9',
  'x8',
  'null',
  '<*>',
  'code=',
  'KB',
  'MB',
)
const bodies = fc.array(
  fc.array(word, { maxLength: 6 }).map(words => words.join(' ')),
  { maxLength: 60 },
)
const tight = { maxPatterns: 10, maxBirths: 20 }

test('lines of one shape have one pattern, lines of another have another', () => {
  const { lines } = drive(['connected to 10.0.0.1', 'connected to 10.0.0.2', 'disk full', 'connected to 10.0.0.3'])
  const [a, b, c, d] = lines.map(({ pattern }) => pattern)
  assert.equal(a, b)
  assert.equal(a, d)
  assert.notEqual(a, c)
})

test('every line gets exactly one pattern that was told before it, however tight the bounds', () => {
  fc.assert(
    fc.property(bodies, given => {
      const { outputs, lines, state } = drive(given, tight)
      assert.equal(lines.length, given.length)
      const told = new Set<string>()
      for (const output of outputs)
        if (output.type === 'pattern') told.add(output.pattern)
        else assert.ok(told.has(output.pattern))
      assert.ok(Object.keys(state.patterns).length <= 10)
    }),
  )
})

test('a restart after any number of lines changes nothing', () => {
  fc.assert(
    fc.property(bodies, fc.integer({ min: 1, max: 7 }), (given, restartAfter) => {
      assert.deepEqual(drive(given, tight, restartAfter).outputs, drive(given, tight).outputs)
    }),
  )
})

test('versions of a pattern count up from 1, and each template is as wide as the one before', () => {
  fc.assert(
    fc.property(bodies, given => {
      const { patterns } = drive(given)
      for (const [, versions] of Map.groupBy(patterns, ({ pattern }) => pattern))
        versions.forEach(({ version, template }, at) => {
          assert.equal(version, at + 1)
          const before = versions[at - 1]?.template.split(' ')
          const widened = template
            .split(' ')
            .every((one, place) => before === undefined || one === before[place] || one === '<*>')
          assert.ok(widened)
        })
    }),
  )
})

test('a flood of unknown lines ends in the pattern <*>, and a new minute lifts it', () => {
  const config = { maxBirths: 10 }
  const names = Array.from({ length: 30 }, (_, at) => String.fromCharCode(97 + (at % 26), 97 + at))
  const { lines, templates, state } = drive(
    names.map(name => `${name} ${name} ${name}`),
    config,
  )
  assert.equal(lines.length, 30)
  assert.equal(templates.filter(template => template === '<*>').length, 20)
  const logic = cluster(config).create()
  const [, after] = logic.step(state, lineOf('quite another thing', 60_000))
  assert.equal((after[0] as Pattern).template, 'quite another thing')
})

test('the least recently used patterns are forgotten', () => {
  const names = Array.from({ length: 14 }, (_, at) => 'abcdefghijklmnop'[at]!.repeat(3))
  const { state } = drive(
    names.flatMap(name => [`${name} done`, 'keep me alive']),
    { maxPatterns: 10 },
  )
  const kept = Object.values(state.patterns).map(({ template }) => template)
  assert.ok(kept.includes('keep me alive') && kept.includes('nnn done') && !kept.includes('aaa done'))
})

test('the id is the hash of the birth template: equal wherever the pattern is born', () => {
  const [pattern] = drive(['took 5 ms']).patterns
  const again = drive(['something else', 'took 6 ms']).patterns[1]
  assert.equal(again!.pattern, pattern!.pattern)
})

test('no secret leaves: neither in line nor template nor example', () => {
  const { outputs } = drive(['login password=hunter2 by anna', 'login password=hunter3 by bert'])
  assert.doesNotMatch(JSON.stringify(outputs), /hunter/)
})

test('an empty line and a very long one have patterns', () => {
  const { lines, patterns } = drive(['', ' '.repeat(9), 'word '.repeat(50_000)])
  assert.equal(lines[0]!.pattern, lines[1]!.pattern)
  assert.equal(patterns[1]!.template.split(' ').length, 200)
  assert.ok(patterns[1]!.example.length <= 1_001)
})

test('patterns that turn out to be one are merged under the oldest name, and each says so', () => {
  const names = ['anna', 'bert', 'carl', 'dora', 'emil', 'fritz']
  const { lines, patterns, templates, state } = drive(names.map(name => `access for ${name} denied`))
  const [oldest] = lines.map(({ pattern }) => pattern)
  const merged = patterns.filter(({ into }) => into !== undefined)
  assert.deepEqual(
    merged.map(({ into }) => into),
    [oldest, oldest, oldest],
  )
  assert.deepEqual(
    new Set(merged.map(({ pattern }) => pattern)),
    new Set(lines.slice(1, 4).map(({ pattern }) => pattern)),
  )
  assert.deepEqual(new Set(templates), new Set(['access for <*> denied']))
  assert.deepEqual(
    lines.slice(4).map(({ pattern }) => pattern),
    [oldest, oldest],
  )
  assert.equal(Object.keys(state.patterns).length, 1)
})

test('few constants stay apart: states, and names of values', () => {
  const given = [
    'a is UP now',
    'a is DOWN now',
    'a is AWAY now',
    'r24=1',
    'r25=2',
    'cupsd startup ok',
    'hcid startup ok',
  ]
  assert.equal(new Set(drive(given).templates).size, given.length)
})

test('what was merged is told again when its pattern is merged on', () => {
  const names = ['anna', 'bert', 'carl', 'dora', 'emil']
  const given = ['one', 'two', 'three', 'four', 'five'].flatMap(word => names.map(name => `get ${word} of ${name} now`))
  const { lines, patterns } = drive(given)
  const last = new Map(patterns.map(({ pattern, into }) => [pattern, into]))
  for (const { pattern } of lines) {
    const into = last.get(pattern)
    assert.equal(into === undefined ? undefined : last.get(into), undefined, 'one step leads to what stands')
  }
  assert.deepEqual(new Set(patterns.slice(-1).map(({ template }) => template)), new Set(['get <*> of <*> now']))
})

test('a number whose unit differs is one value with it', () => {
  const { templates } = drive(['size 5.2 KB free', 'size 1.0 MB free', 'size 3 KB free'])
  assert.deepEqual(new Set(templates), new Set(['size <*> free']))
})

test('names of several classes at once, but never states, are variables', () => {
  const of = (at: number) => `Registering a.b.C${'xyzvw'[at]} for a.b.D${'xyzvw'[at]} now`
  assert.equal(drive([0, 1, 2, 3].map(of)).templates[0], 'Registering <*> for <*> now')
  const states = ['NEW to SCHEDULED', 'SCHEDULED to RUNNING', 'RUNNING to DONE', 'DONE to GONE']
  assert.equal(new Set(drive(states.map(one => `task went from ${one} now`)).templates).size, 4)
})

test('a JSON body is clustered by its message and stays whole; one without a message is a line like others', () => {
  const { lines, templates } = drive([
    '{"level":"info","user":"anna","msg":"order 7 placed"}',
    '{"msg":"order 8 placed with password=hunter2","trace":{"id":1}}',
    'order 9 placed',
    '{"level":"info","n":1}',
    '{"msg": broken}',
  ])
  assert.deepEqual(templates, [
    'order <*> placed',
    'order <*> placed with password=<secret>',
    'order <*> placed',
    '{"level":"info","n":<*>}',
    '{"msg": broken}',
  ])
  assert.equal(lines[0]!.body, '{"level":"info","user":"anna","msg":"order 7 placed"}')
  assert.doesNotMatch(JSON.stringify(lines), /hunter/)
})
