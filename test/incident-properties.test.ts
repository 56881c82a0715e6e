import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { holds, matches, type Silence } from '../operators/control.ts'
import type { Event } from '../operators/operator.ts'
import type { Incident, RunReport, RunRequested, RunVerdict, Signal } from '../operators/signal.ts'
import { Incident as IncidentSchema } from '../operators/signal.ts'
import { Driver } from './driver.ts'
import { anomaly, eventOf, incidentsAndRuns, minute, noon, type SignalIs } from './timeline.ts'

// What must hold of incidents and runs whatever happens: minutes of random scores, changes and reports of runs.

const catalogue = {
  services: {
    gateway: { tier: 1, dependencies: ['a', 'b'] },
    a: { dependencies: ['db'] },
    b: { dependencies: ['db'] },
    db: {},
    other: {},
  },
}
const rule = { name: 'Memory', threshold: 90, comparison: 'above' } as const
const known: SignalIs[] = [
  ...['gateway', 'a', 'b', 'db', 'other', 'unheard-of'].map(service => ({ service, subject: 'latency' })),
  { service: 'db', subject: 'memory_usage' },
  { service: 'db', subject: 'memory_usage', kind: 'rule', rule },
  { service: 'a', subject: 'out of memory <*>', kind: 'log', direction: 'new' },
  { service: 'db', subject: 'latency', environment: 'staging' },
]
const verify = { window: '2m', timeout: '6m' }
const graph = incidentsAndRuns(
  { catalogue, resolveAfter: '3m', reopenWindow: '10m', gap: '4m' },
  {
    runbooks: [
      { name: 'Memory', mode: 'auto', triggers: [{ metric: 'memory_usage', threshold: 90, duration: '2m' }], verify },
      { name: 'Restart', mode: 'approve', triggers: [{ cause: { metric: '*' }, minConfidence: 0.3 }], verify },
      { name: 'Show', mode: 'observe', triggers: [{ cause: { service: '*' } }], verify },
    ],
  },
)

const minutes = 40
/** Spells of a signal: anomalous for some windows, then normal for some, then not reported. */
const scores = fc
  .array(
    fc.record({
      at: fc.integer({ min: 1, max: minutes }),
      lasts: fc.integer({ min: 0, max: 8 }),
      calms: fc.integer({ min: 0, max: 12 }),
      is: fc.constantFrom(...known),
      score: fc.constantFrom(1, 1.2, 2, 4),
    }),
    { minLength: 1, maxLength: 20 },
  )
  .map(spells => {
    const byReport = new Map<string, Event<Signal>>()
    for (const { at, lasts, calms, is, score } of spells)
      for (let end = at; end < at + lasts + calms; end++) {
        const report = anomaly(is, end, end < at + lasts ? score : 0.3)
        byReport.set(report.id, eventOf(report, report.end - 1))
      }
    return [...byReport.values()]
  })
const deploys = fc
  .array(fc.record({ at: fc.integer({ min: 0, max: minutes }), service: fc.constantFrom('a', 'db') }), { maxLength: 3 })
  .map(all =>
    all.map(({ at, service }, index) =>
      eventOf(
        { type: 'change', environment: 'production', service, kind: 'deploy', summary: `v${index}` },
        noon + at * minute,
        index,
      ),
    ),
  )
/** Silences, some of them ended sooner or later than was first said; said between two windows. */
const silences = fc
  .array(
    fc.record({
      id: fc.constantFrom('s0', 's1', 's2'),
      said: fc.integer({ min: 0, max: minutes }),
      after: fc.constantFrom(0, 3),
      lasts: fc.integer({ min: 0, max: 20 }),
      what: fc.constantFrom({}, { service: 'db' }, { service: 'a' }, { subject: 'lat*' }, { environment: 'staging' }),
    }),
    { maxLength: 5 },
  )
  .map(all =>
    all.map(({ id, said, after, lasts, what }, index): Event<Signal> => {
      const at = noon + (said + 0.5) * minute
      const validFrom = at + after * minute
      const times = { at, validFrom, validTo: validFrom + lasts * minute }
      const silence: Silence = {
        type: 'silence',
        id,
        by: 'ana',
        reason: '',
        environment: 'production',
        ...times,
        ...what,
      }
      return eventOf(silence, at, index)
    }),
  )
const fates = fc.array(
  fc.constantFrom<RunReport['state'][]>(
    ['running', 'verifying', 'succeeded'],
    ['running', 'verifying', 'failed'],
    ['running', 'verifying'],
    ['running', 'failed'],
    ['awaiting_approval', 'rejected'],
    ['running', 'in_doubt'],
    [],
  ),
  { minLength: 1, maxLength: 4 },
)

/** What a run reports half a minute apart, once it has been asked for. */
function reportsOf(requests: readonly RunRequested[], ways: readonly RunReport['state'][][]): Event<Signal>[] {
  return requests.flatMap(({ run, incident, environment, service, runbook, target, at }, index) =>
    ways[index % ways.length]!.map((state, step) =>
      eventOf(
        { type: 'run', run, incident, environment, service, runbook, target, state, summary: '' },
        at + (step + 1) * 30_000,
        index,
      ),
    ),
  )
}

/** A day of random events, with reports of the runs that the signals alone ask for. */
const happenings = fc.tuple(scores, deploys, silences, fates).map(([signals, changes, said, ways]) => {
  const events = [...signals, ...changes, ...said]
  return [...events, ...reportsOf(requestsOf(play(events)), ways)]
})

/** Sends the events in this order; after each, the watermark may follow up to the oldest that is still to come. */
function play(
  events: readonly Event<Signal>[],
  follow: (index: number) => boolean = () => false,
  crash = follow,
): Driver {
  const driver = new Driver(graph, 'test')
  const ahead: number[] = []
  for (let index = events.length - 1, least = Number.POSITIVE_INFINITY; index >= 0; index--) {
    ahead[index] = least
    least = Math.min(least, events[index]!.time)
  }
  events.forEach((event, index) => {
    driver.send(event)
    if (follow(index) && Number.isFinite(ahead[index]!)) driver.advance(ahead[index]!)
    if (crash(index)) driver.crash()
  })
  return driver.advance(noon + 24 * 60 * minute)
}

const incidentsOf = (driver: Driver) => driver.published('ops.incidents') as Incident[]
const actsOf = (driver: Driver) => driver.published('ops.runs') as (RunRequested | RunVerdict)[]
const requestsOf = (driver: Driver) => actsOf(driver).filter(act => act.type === 'requested')
const results = (driver: Driver) => ({
  incidents: incidentsOf(driver).sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : a.version - b.version)),
  acts: actsOf(driver)
    .map(act => JSON.stringify(act))
    .sort(),
  suppressions: [...new Set(driver.read('suppressions').map(row => JSON.stringify(row)))].sort(),
})

test('the order of arrival, the cuts and crashes in between change nothing', () => {
  fc.assert(
    fc.property(
      happenings.chain(events =>
        fc.tuple(fc.constant(events), fc.shuffledSubarray(events, { minLength: events.length })),
      ),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }),
      ([events, shuffled], coins) => {
        const coin = (index: number) => coins[index % coins.length]!
        const sorted = [...events].sort((a, b) => a.time - b.time)
        const expected = results(play(events))
        assert.deepEqual(results(play(shuffled, coin)), expected)
        assert.deepEqual(results(play(sorted, coin, index => !coin(index))), expected)
      },
    ),
    { numRuns: 60 },
  )
})

test('what is sent twice under another origin changes nothing', () => {
  fc.assert(
    fc.property(happenings, fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }), (events, coins) => {
      const again = events
        .filter((_, index) => coins[index % coins.length])
        .map(event => ({ ...event, origin: { ...event.origin, stream: `${event.origin.stream}:again` } }))
      assert.deepEqual(results(play([...events, ...again])), results(play(events)))
    }),
    { numRuns: 60 },
  )
})

test('no signal comes into an incident by a window that a silence is about, and each such window is told of', () => {
  let suppressed = 0
  fc.assert(
    fc.property(happenings, events => {
      const driver = play(events)
      const silencesAt = (time: number): Silence[] => {
        const said = events
          .filter(event => event.time <= time)
          .toSorted((a, b) => a.time - b.time || a.origin.index - b.origin.index)
          .flatMap(({ value }) => (value.type === 'silence' ? [value] : []))
        return [...new Map(said.map(silence => [`${silence.environment} ${silence.id}`, silence])).values()]
      }
      const silenced = new Map<string, string[]>()
      for (const { value, time } of events)
        if (value.type === 'anomaly' && value.score >= 1) {
          const by = silencesAt(time).filter(silence => holds(silence, time) && matches(silence, value))
          silenced.set(
            value.id,
            by.map(({ id }) => id),
          )
        }
      for (const { anomaly: id, silence } of driver.read('suppressions')) {
        suppressed++
        assert.ok(silenced.get(id as string)?.includes(silence as string), `${id} was not silenced by ${silence}`)
      }
      for (const { value } of events) {
        if (value.type !== 'anomaly' || !silenced.get(value.id)?.length) continue
        const key = `${value.kind} ${value.signal} ${value.start}`
        const first = incidentsOf(driver).flatMap(({ signals }) =>
          signals.map(({ kind, signal, since }) => `${kind} ${signal} ${since}`),
        )
        assert.ok(!first.includes(key), `${key} was silenced and came into an incident`)
      }
    }),
    { numRuns: 100 },
  )
  assert.ok(suppressed > 0, 'nothing was ever silenced, so nothing was shown')
})

test('versions follow each other, times are in order, and each version is a valid incident', () => {
  fc.assert(
    fc.property(happenings, events => {
      const all = Map.groupBy(incidentsOf(play(events)), ({ id }) => id)
      for (const versions of all.values()) {
        assert.deepEqual(
          versions.map(({ version }) => version),
          versions.map((_, index) => index + 1),
        )
        for (const version of versions) {
          IncidentSchema.parse(version)
          const { faultAt, detectedAt, identifiedAt, mitigatedAt, resolvedAt, closedAt } = version
          const times = [faultAt, detectedAt, identifiedAt, mitigatedAt, resolvedAt, closedAt].filter(
            time => time !== null,
          )
          assert.deepEqual(
            times,
            [...times].sort((a, b) => a - b),
            version.change,
          )
          if (version.state === 'resolved') assert.ok(version.signals.every(({ firing, absent }) => !firing && !absent))
        }
        assert.ok(['closed', 'merged'].includes(versions.at(-1)!.state), 'every incident ends')
      }
    }),
    { numRuns: 100 },
  )
})

test('a run is asked for once, judged at most once, and never beside another on its target', () => {
  fc.assert(
    fc.property(happenings, events => {
      const driver = play(events)
      const acts = actsOf(driver)
      const runs = requestsOf(driver).map(({ run }) => run)
      assert.equal(new Set(runs).size, runs.length)
      const judged = acts.filter(act => act.type === 'verdict').map(({ run }) => run)
      assert.equal(new Set(judged).size, judged.length)
      const ends = new Map<string, number>()
      for (const { value, time } of events)
        if (value.type === 'run' && !['running', 'verifying', 'awaiting_approval'].includes(value.state))
          ends.set(value.run, time)
      const acting = requestsOf(driver)
        .filter(({ runbook }) => runbook !== 'Show')
        .sort((a, b) => a.at - b.at)
      for (const target of new Set(acting.map(one => one.target))) {
        const own = acting.filter(one => one.target === target)
        own.slice(1).forEach((next, index) => {
          // Of a run that is silent for four times its verification, nothing more is expected.
          const { run, at } = own[index]!
          const end = Math.min(ends.get(run) ?? Number.POSITIVE_INFINITY, at + 24 * minute)
          assert.ok(next.at >= end, `${next.runbook} at ${next.at} before the end of ${own[index]!.runbook} at ${end}`)
        })
      }
    }),
    { numRuns: 100 },
  )
})

test('a fix is verified only if no signal of the incident fires in its window', () => {
  let verified = 0
  fc.assert(
    fc.property(happenings, events => {
      const driver = play(events)
      const requests = requestsOf(driver)
      for (const verdict of actsOf(driver)) {
        if (verdict.type !== 'verdict' || verdict.verdict !== 'verified') continue
        verified++
        const { incident } = requests.find(({ run }) => run === verdict.run)!
        const versions = incidentsOf(driver).filter(
          ({ id, absorbed }) => id === incident || absorbed?.includes(incident),
        )
        const inWindow = versions.filter(
          ({ updatedAt }) => updatedAt > verdict.at - 2 * minute && updatedAt < verdict.at,
        )
        for (const version of inWindow) assert.ok(version.signals.every(({ firing }) => !firing))
      }
    }),
    { numRuns: 200 },
  )
  assert.ok(verified > 0, 'no run was ever verified, so nothing was shown')
})

test('a day after the last event nothing is remembered', () => {
  fc.assert(
    fc.property(happenings, events => {
      const driver = play(events)
      driver.send(eventOf(anomaly({ service: 'z', subject: 'z' }, 3 * 24 * 60, 0.5), noon + 3 * 24 * 60 * minute))
      driver.advance(noon + 4 * 24 * 60 * minute)
      for (const [step, { keys }] of driver.engine.steps())
        assert.equal(step === 'group' ? keys <= 1 : keys <= 2, true, `${step} holds ${keys}`)
      assert.ok(JSON.stringify([...driver.engine.snapshot()]).length < 6_000)
    }),
    { numRuns: 30 },
  )
})
