import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Control, Silence, Suppressed } from '../operators/control.ts'
import type { Event } from '../operators/operator.ts'
import {
  type Anomaly,
  type Incident,
  IncidentState,
  type Pattern,
  type PatternCount,
  type PatternedLine,
  type Sampling,
  Severity,
  type Summary,
} from '../operators/signal.ts'
import type { JournalRow } from '../runbooks/journal.ts'
import {
  anomalyRow,
  controlRow,
  deadLetterRow,
  incidentEventRow,
  incidentRow,
  lateRow,
  logLineRow,
  patternCountRow,
  patternRow,
  samplingRow,
  summaryRow,
  suppressionRow,
} from '../sinks/rows.ts'
import type { Row, Store } from '../sinks/store.ts'
import { freshStore } from './kit/store.ts'

let store: Store
let close: () => Promise<void>
before(async () => {
  ;({ store, close } = await freshStore())
})
after(() => close())

const text = fc.string({ unit: 'grapheme', maxLength: 30 })
const name = fc.stringMatching(/^[a-z-]{1,12}$/)
const labels = fc.dictionary(name, text, { maxKeys: 3 })
// Few enough weeks that the engine is not busy with partitions, and the two ends of what a column holds.
const time = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: Date.UTC(2026, 10), max: Date.UTC(2026, 11) }) },
  { weight: 1, arbitrary: fc.constantFrom(0, Date.UTC(2200, 0)) },
)
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => value + 0)
const severity = fc.integer({ min: 0, max: 24 })
const expected = fc.record({ yhat: number, lower: number, upper: number })
const rule = fc.record({ name, threshold: number, comparison: fc.constantFrom('above', 'below') })
const place = { environment: name, service: name }
const window = { start: time, end: time }

const event = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Event<T>> =>
  fc.record({
    key: text,
    time,
    origin: fc.record({ stream: text, offset: fc.maxSafeNat(), index: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
    value,
  })

const line: fc.Arbitrary<PatternedLine> = fc.record(
  {
    type: fc.constant('line'),
    ...place,
    severity,
    body: text,
    attributes: labels,
    pattern: name,
    traceId: name,
    spanId: name,
  },
  { requiredKeys: ['type', 'environment', 'service', 'severity', 'body', 'attributes', 'pattern'] },
)
const pattern: fc.Arbitrary<Pattern> = fc.record(
  {
    ...{ type: fc.constant('pattern'), ...place, pattern: name, version: fc.integer({ min: 1, max: 100 }) },
    ...{ template: text, severity, example: text, firstSeen: time, into: name },
  },
  {
    requiredKeys: [
      ...(['type', 'environment', 'service', 'pattern', 'version'] as const),
      ...(['template', 'severity', 'example', 'firstSeen'] as const),
    ],
  },
)
const count: fc.Arbitrary<PatternCount> = fc.record({ ...place, ...window, pattern: name, severity, count: fc.nat() })
const sampling: fc.Arbitrary<Sampling> = fc.record({
  ...{ type: fc.constant('sampling'), ...place, ...window },
  ...{ lines: fc.nat(), kept: fc.nat(), errors: fc.nat(), errorsKept: fc.nat() },
})
const summary: fc.Arbitrary<Summary> = fc.record({
  ...{ ...place, ...window, metric: name, series: name, unit: text, labels, count: number, mean: number },
  ...{ deviation: number, min: number, max: number, p50: number, p95: number, last: number },
})
const anomaly: fc.Arbitrary<Anomaly> = fc.record(
  {
    ...{ type: fc.constant('anomaly'), id: name, ...place, ...window, signal: name, subject: text, labels },
    ...{ score: number.map(Math.abs), value: number, unit: text, expected, why: text, model: name, rule },
    kind: fc.constantFrom('metric', 'log', 'rule'),
    direction: fc.constantFrom('above', 'below', 'new', 'both'),
    voters: fc.array(fc.record({ name, score: number, why: text }), { maxLength: 3 }),
  },
  {
    requiredKeys: [
      ...(['type', 'id', 'environment', 'service', 'signal', 'kind', 'subject', 'labels', 'start', 'end'] as const),
      ...(['score', 'value', 'unit', 'direction', 'voters', 'why', 'model'] as const),
    ],
  },
)
const optionalTime = fc.option(time)
const incident: fc.Arbitrary<Incident> = fc.record({
  ...{ id: name, version: fc.integer({ min: 1, max: 9 }), environment: name, title: text },
  state: fc.constantFrom(...IncidentState.options),
  severity: fc.constantFrom(...Severity.options),
  change: fc.constantFrom('opened', 'grew', 'identified', 'remediating', 'cleared', 'resolved'),
  services: fc.array(name, { maxLength: 3 }),
  signals: fc.constant([]),
  causes: fc.array(
    fc.record({
      ...{
        rank: fc.constant(1),
        service: name,
        signal: name,
        subject: text,
        confidence: fc.double({ min: 0, max: 1, noNaN: true }),
      },
      evidence: fc.array(fc.record({ kind: name, text, weight: number }), { maxLength: 2 }),
    }),
    { maxLength: 2 },
  ),
  runs: fc.array(fc.record({ run: name, runbook: name, target: name, state: name, at: time }), { maxLength: 1 }),
  ...{ faultAt: optionalTime, detectedAt: time, identifiedAt: optionalTime, mitigatedAt: optionalTime },
  ...{ resolvedAt: optionalTime, closedAt: optionalTime, updatedAt: time },
})
const said = { id: name, by: text, reason: text, at: time, validFrom: time }
const silence: fc.Arbitrary<Silence> = fc.record({
  ...{ type: fc.constant('silence'), ...said, validTo: time, ...place, subject: text },
})
const control: fc.Arbitrary<Control> = fc.oneof(
  silence,
  fc.record({ type: fc.constant('pause'), ...said, validTo: fc.option(time) }),
)
const suppressed: fc.Arbitrary<Suppressed> = fc.record({ type: fc.constant('suppressed'), anomaly, silence })
const dead = fc.record({
  ...{ topic: name, partition: fc.nat(), offset: fc.maxSafeNat(), index: fc.nat(), reason: name, detail: text },
  value: fc.option(fc.uint8Array({ maxLength: 100 }).map(bytes => Buffer.from(bytes))),
  ...{ headers: labels, appendedAt: time },
})
const journal: fc.Arbitrary<JournalRow> = fc.record({
  ...{ partition: fc.nat(), offset: fc.maxSafeNat(), run: name, target: name, ...place, runbook: name, incident: name },
  type: fc.constantFrom('requested', 'intent', 'result', 'state', 'verdict'),
  ...{ accepted: fc.boolean(), state: name, phase: name, step: fc.integer({ min: -1, max: 99 }), step_name: text },
  ...{ outcome: name, reason: name, summary: text, output: text, before: text, after: text, at: time },
})
const run = fc.record({
  ...{ run: name, version: fc.nat(), ...place, target: name, incident: name, runbook: name, mode: name, state: name },
  ...{ reason: name, summary: text, requested_at: time, at: time, body: text },
})

/** Columns by which a table's rows are one and the same, and the column whose highest value wins. */
const tables: Record<string, { rows: fc.Arbitrary<Row>; identity: string[]; version?: string }> = {
  log_lines: {
    rows: event(line).map(logLineRow),
    identity: ['environment', 'service', 'time', 'origin_stream', 'origin_offset', 'origin_index'],
  },
  log_patterns: {
    rows: event(pattern).map(patternRow),
    identity: ['environment', 'service', 'pattern'],
    version: 'version',
  },
  log_counts: {
    rows: event(count).map(patternCountRow),
    identity: ['environment', 'service', 'pattern', 'start'],
  },
  log_sampling: { rows: event(sampling).map(samplingRow), identity: ['environment', 'service', 'start'] },
  metric_summaries: { rows: event(summary).map(summaryRow), identity: ['environment', 'series', 'start'] },
  anomalies: { rows: event(anomaly).map(anomalyRow), identity: ['environment', 'end', 'id'] },
  incidents: { rows: event(incident).map(incidentRow), identity: ['environment', 'id'], version: 'version' },
  incident_events: { rows: event(incident).map(incidentEventRow), identity: ['environment', 'incident', 'version'] },
  controls: { rows: event(control).map(controlRow), identity: ['id', 'offset'] },
  suppressions: { rows: event(suppressed).map(suppressionRow), identity: ['environment', 'end', 'anomaly'] },
  runs: { rows: run, identity: ['run'], version: 'version' },
  run_events: { rows: journal.map(row => ({ ...row })), identity: ['partition', 'offset'] },
  dead_letters: { rows: dead.map(deadLetterRow), identity: ['topic', 'partition', 'offset', 'index'] },
  late_events: {
    rows: event(fc.jsonValue()).map(late => lateRow('logs.rate', late)),
    identity: ['step', 'key', 'origin_stream', 'origin_offset', 'origin_index'],
  },
}

for (const [table, { rows, identity, version }] of Object.entries(tables))
  describe(`table ${table}`, () => {
    test('rows come back equal, and written again in another order they are the same', async () => {
      const property = fc.asyncProperty(
        fc.uniqueArray(rows, { selector: row => identityOf(row, identity), minLength: 1, maxLength: 20 }),
        async given => {
          await store.command(`TRUNCATE TABLE ${table}`)
          await store.insert(table, given)
          await store.insert(table, [...given].reverse())
          assert.deepEqual(await read(table, identity), sorted(given, identity))
        },
      )
      await fc.assert(property, { numRuns: 15 })
    })

    test('every column but that of the processing time has its value in the row', async () => {
      const [row] = fc.sample(rows, 1)
      assert.deepEqual(Object.keys(row!).sort(), (await columnsOf(table)).map(column => column.name).sort())
    })

    if (version)
      test('the highest version stands, whatever came last', async () => {
        const [row] = fc.sample(rows, 1)
        await store.command(`TRUNCATE TABLE ${table}`)
        await store.insert(table, [{ ...row, [version]: 12 }])
        await store.insert(table, [{ ...row, [version]: 11 }])
        assert.deepEqual(await read(table, identity), plain([{ ...row, [version]: 12 }]))
      })
  })

test('a dead letter and a late event keep only the beginning of something huge', () => {
  const huge = Buffer.alloc(5_000_000, 'x')
  const letter = { topic: 't', partition: 0, offset: 1, index: 0, reason: 'r', detail: '', headers: {}, appendedAt: 0 }
  const row = deadLetterRow({ ...letter, value: huge })
  assert.equal(Buffer.from(String(row.value), 'base64').length, 65_536)
  assert.equal(row.value_bytes, 5_000_000)
  const origin = { stream: 's', offset: 0, index: 0 }
  assert.equal(String(lateRow('s', { key: 'k', time: 0, origin, value: huge.toString() }).value).length, 65_536)
})

test('the timeline says what a version changed', () => {
  const [value] = fc.sample(incident, 1)
  const signal = { firing: true } as Incident['signals'][number]
  const f = (change: Partial<Incident>, want: string): void =>
    assert.equal(
      incidentEventRow({
        key: '',
        time: 0,
        origin: { stream: '', offset: 0, index: 0 },
        value: { ...value!, ...change },
      }).text,
      want,
    )
  const cause = { rank: 1, service: 'db', signal: 's', subject: 'latency', confidence: 0.714, evidence: [] }
  f({ change: 'opened', title: 'checkout is failing' }, 'checkout is failing')
  f({ change: 'identified', causes: [cause] }, 'cause: db latency (71 %)')
  f({ change: 'identified', causes: [] }, 'insufficient evidence for a cause')
  f(
    { change: 'grew', signals: [signal, { ...signal, firing: false }], services: ['a', 'b'] },
    '1 of 2 signals firing in a, b',
  )
  const runs = [{ run: 'r', runbook: 'restart', target: 'p/db', state: 'running', at: 0 }]
  f({ change: 'remediating', runs }, 'runbook restart on p/db: running')
})

const identityOf = (row: Row, identity: readonly string[]): string =>
  JSON.stringify(identity.map(column => row[column]))

const sorted = (rows: readonly Row[], identity: readonly string[]): unknown =>
  plain(rows.toSorted((a, b) => (identityOf(a, identity) < identityOf(b, identity) ? -1 : 1)))

async function columnsOf(table: string): Promise<{ name: string; type: string }[]> {
  const sql = `SELECT name, type FROM system.columns
    WHERE database = currentDatabase() AND table = {table:String} AND name != 'written_at'`
  return store.query(sql, { table })
}

async function read(table: string, identity: readonly string[]): Promise<unknown> {
  const columns = (await columnsOf(table)).map(({ name, type }) =>
    type.includes('DateTime64') ? `toUnixTimestamp64Milli(${name}) AS ${name}` : `\`${name}\``,
  )
  return sorted(await store.query(`SELECT ${columns.join(', ')} FROM ${table} FINAL`), identity)
}

/** Objects of fast-check have no prototype and there are two zeros; neither survives JSON, and neither should count. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value), (_, inner) => (inner === 0 ? 0 : inner))
