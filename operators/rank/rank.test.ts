import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { IncidentSignal } from '../signal.ts'
import type { SeenChange } from './evidence.ts'
import { type RankContext, rankCauses } from './rank.ts'

const minute = 60_000

const signal = (service: string, subject: string, more: Partial<IncidentSignal> = {}): IncidentSignal => ({
  ...{ signal: `${service}/${subject}`, service, kind: 'metric', subject, labels: {}, unit: '', firing: true },
  ...{ since: 0, lastAt: minute, lastAnomalousAt: minute, score: 2, peak: 2, value: 1, direction: 'above', why: '' },
  ...more,
})

/** `calls` names direct dependencies; what is reached through others follows. */
function context(calls: Record<string, readonly string[]> = {}, changes: readonly SeenChange[] = []): RankContext {
  const reach = (service: string, seen: Set<string>): Set<string> => {
    for (const called of calls[service] ?? [])
      if (!seen.has(called)) {
        seen.add(called)
        reach(called, seen)
      }
    return seen
  }
  return {
    changes,
    changeLookback: 30 * minute,
    onsetTolerance: minute,
    dependencies: service => reach(service, new Set()),
  }
}

const top = (signals: IncidentSignal[], by = context()) => rankCauses({ signals }, by)[0]

test('one suffering service is its own cause, and not with certainty', () => {
  const cause = top([signal('payments', 'latency')])
  assert.equal(cause?.service, 'payments')
  assert.ok(cause.confidence > 0.5 && cause.confidence < 0.9, String(cause.confidence))
})

test('nothing to go by is no cause', () => {
  assert.deepEqual(rankCauses({ signals: [] }, context()), [])
  const alike = ['a', 'b', 'c'].map(service => signal(service, 'latency', { peak: 1.01 }))
  assert.deepEqual(rankCauses({ signals: alike }, context()), [])
})

test('the called is the cause, not the callers who wait for it, though theirs look worse', () => {
  const signals = [
    signal('gateway', 'latency', { peak: 6 }),
    signal('checkout', 'latency', { peak: 5 }),
    signal('payments', 'latency', { peak: 3 }),
  ]
  const cause = top(signals, context({ gateway: ['checkout'], checkout: ['payments'] }))
  assert.equal(cause?.service, 'payments')
  assert.ok(cause.confidence > 0.5, String(cause.confidence))
})

test('a callee that fails much later than its caller does not explain it', () => {
  const signals = [signal('checkout', 'latency'), signal('payments', 'latency', { since: 20 * minute })]
  assert.equal(top(signals, context({ checkout: ['payments'] }))?.service, 'checkout')
})

test('what began first is suspected among equals; a minute apart is at once', () => {
  const after = (since: number) => [
    signal('a', 'latency', { since }),
    signal('b', 'latency'),
    signal('c', 'latency', { since }),
  ]
  assert.equal(top(after(2 * minute))?.service, 'b')
  assert.equal(top(after(minute)), undefined)
})

test('a resource that fills up is told before the latency it causes', () => {
  const cause = top([signal('payments', 'latency', { peak: 4 }), signal('payments', 'memory_usage', { peak: 2 })])
  assert.equal(cause?.subject, 'memory_usage')
})

test('a deploy just before counts, one long before does not, nor one after', () => {
  const signals = [signal('a', 'latency', { since: 60 * minute }), signal('b', 'latency', { since: 60 * minute })]
  const deploy = (service: string, at: number): SeenChange => ({
    service,
    kind: 'deploy',
    summary: 'v2',
    at: at * minute,
  })
  assert.equal(top(signals, context({}, [deploy('b', 58)]))?.service, 'b')
  assert.equal(
    top(signals, context({}, [deploy('b', 20)]))?.evidence.some(({ kind }) => kind === 'change'),
    undefined,
  )
  assert.equal(top(signals, context({}, [deploy('b', 70)])), undefined)
})

// Names of services, without what is special to objects: a catalogue is read from a file.
const names = ['a', 'b', 'c', 'd', 'e', 'f']
const signals = fc.array(
  fc.record({
    service: fc.constantFrom(...names),
    subject: fc.constantFrom('latency', 'errors', 'memory_usage', 'requests'),
    since: fc.integer({ min: 0, max: 10 }).map(at => at * minute),
    peak: fc.double({ min: 1, max: 50, noNaN: true }),
    fresh: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
)
/** Calls go from a name to later ones only. */
const graphs = fc
  .array(fc.tuple(fc.nat(5), fc.nat(5)), { maxLength: 12 })
  .map(edges =>
    Object.fromEntries(
      names.map((name, from) => [
        name,
        edges
          .filter(([one, other]) => Math.min(one, other) === from && one !== other)
          .map(([one, other]) => names[Math.max(one, other)]!),
      ]),
    ),
  )
const built = signals.map(all =>
  all.map(({ service, subject, since, peak, fresh }, index) =>
    signal(service, subject, {
      ...{ since, peak, signal: `s${index}` },
      ...(fresh ? { kind: 'log' as const, direction: 'new' as const } : {}),
    }),
  ),
)

test('confidences are in order, and add up to less than 1', () => {
  fc.assert(
    fc.property(built, graphs, (given, calls) => {
      const causes = rankCauses({ signals: given }, context(calls))
      const confidences = causes.map(({ confidence }) => confidence)
      assert.deepEqual(
        confidences,
        [...confidences].sort((a, b) => b - a),
      )
      assert.ok(confidences.reduce((sum, one) => sum + one, 0) <= 1)
      assert.deepEqual(
        causes.map(({ rank }) => rank),
        causes.map((_, index) => index + 1),
      )
      if (causes.length > 0) assert.equal(causes.length, new Set(given.map(({ service }) => service)).size)
    }),
  )
})

test('the order in which signals are given does not matter', () => {
  fc.assert(
    fc.property(
      built.chain(given => fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length }))),
      graphs,
      ([given, shuffled], calls) => {
        assert.deepEqual(
          rankCauses({ signals: shuffled }, context(calls)),
          rankCauses({ signals: given }, context(calls)),
        )
      },
    ),
  )
})

test('other names for the services permute the answer and change nothing else', () => {
  fc.assert(
    fc.property(built, graphs, fc.shuffledSubarray(names, { minLength: names.length }), (given, calls, others) => {
      // Exact ties are broken by name, which is the one thing that may differ.
      const renamed = (name: string) => others[names.indexOf(name)]!
      const plain = rankCauses({ signals: given }, context(calls))
      const other = rankCauses(
        { signals: given.map(one => ({ ...one, service: renamed(one.service) })) },
        context(Object.fromEntries(Object.entries(calls).map(([from, to]) => [renamed(from), to.map(renamed)]))),
      )
      const told = (causes: typeof plain, name: (service: string) => string) =>
        causes.map(({ service, confidence, signal: id }) => `${confidence} ${name(service)} ${id}`).sort()
      assert.deepEqual(
        told(other, service => service),
        told(plain, renamed),
      )
    }),
  )
})

test('when all callers of one service suffer with it at once, it is named, whatever the graph', () => {
  fc.assert(
    fc.property(graphs, fc.constantFrom(...names), (calls, root) => {
      const by = context(calls)
      const callers = names.filter(name => by.dependencies(name).has(root))
      const suffering = [root, ...callers].map(service => signal(service, 'latency', { peak: 3 }))
      assert.equal(top(suffering, by)?.service, root)
    }),
  )
})
