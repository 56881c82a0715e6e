import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import type { Control, Silence } from '../operators/control.ts'
import type { Anomaly, Incident } from '../operators/signal.ts'
import { buildApi, type RunDecision } from '../sinks/api.ts'
import { deadQueries } from '../sinks/dead-letters.ts'
import { openEmbeddedStore } from '../sinks/embedded-store.ts'
import { HttpError } from '../sinks/http-error.ts'
import { migrate } from '../sinks/migrate.ts'
import { queries } from '../sinks/queries.ts'
import { ask } from '../sinks/query.ts'
import { anomalyRow, controlRow, incidentEventRow, incidentRow, suppressionRow } from '../sinks/rows.ts'
import { SinkError, type Store } from '../sinks/store.ts'

const minute = 60_000
const began = Date.UTC(2026, 10, 22, 10)

let folder: string
let store: Store
let api: FastifyInstance
const decisions: RunDecision[] = []

const incidentOf = (index: number, more: Partial<Incident> = {}): Incident => ({
  id: `incident-${index}`,
  version: 1,
  environment: 'production',
  state: 'detected',
  severity: 'high',
  title: `checkout is slow (${index})`,
  change: 'opened',
  services: ['checkout'],
  signals: [
    {
      signal: `series-${index}`,
      service: 'checkout',
      kind: 'metric',
      subject: 'latency_p95',
      labels: {},
      unit: 's',
      firing: true,
      since: began + index * minute,
      lastAt: began + (index + 2) * minute,
      lastAnomalousAt: began + (index + 2) * minute,
      score: 2,
      peak: 3,
      value: 4,
      direction: 'above',
      why: 'twice the usual',
    },
  ],
  causes: [],
  runs: [],
  faultAt: began + index * minute,
  // Two at each instant, so that a cursor must tell them apart by id.
  detectedAt: began + (index - (index % 2)) * minute,
  identifiedAt: null,
  mitigatedAt: null,
  resolvedAt: null,
  closedAt: null,
  updatedAt: began + (index + 2) * minute,
  ...more,
})

const anomalyOf = (incident: number, window: number, score: number): Anomaly => ({
  type: 'anomaly',
  id: `anomaly-${incident}-${window}`,
  environment: 'production',
  service: 'checkout',
  signal: `series-${incident}`,
  kind: 'metric',
  subject: 'latency_p95',
  labels: {},
  start: began + (incident + window) * minute,
  end: began + (incident + window + 1) * minute,
  score,
  value: 4,
  unit: 's',
  direction: 'above',
  voters: [],
  why: 'twice the usual',
  model: 'test-1',
})

const originAt = (offset: number) => ({ stream: 'topic:ops.controls/0', offset, index: 0 })

const event = <T>(value: T) => ({ key: '', time: began, origin: { stream: 'test', offset: 0, index: 0 }, value })

const silence: Silence = {
  type: 'silence',
  ...{ id: 'quiet', by: 'ana', reason: 'load test', environment: 'production', service: 'checkout' },
  ...{ at: began, validFrom: began, validTo: began + 60 * minute },
}

const runRow = (run: string, more: object = {}) => ({
  run,
  version: 1,
  environment: 'production',
  service: 'checkout',
  target: 'production/checkout',
  incident: 'incident-3',
  runbook: 'Slow dependency',
  mode: 'approve',
  state: 'awaiting_approval',
  reason: '',
  summary: 'would scale checkout to 3',
  requested_at: began,
  at: began + minute,
  body: '{}',
  ...more,
})

const runEventRow = (offset: number, type: string) => ({
  partition: 0,
  offset,
  run: 'run-1',
  target: 'production/checkout',
  environment: 'production',
  service: 'checkout',
  runbook: 'Slow dependency',
  incident: 'incident-3',
  type,
  accepted: true,
  state: 'queued',
  phase: 'do',
  step: -1,
  step_name: '',
  outcome: '',
  reason: '',
  summary: type,
  output: '',
  before: '',
  after: '',
  at: began,
})

async function fill(): Promise<void> {
  const incidents = Array.from({ length: 7 }, (_, index) => incidentOf(index))
  const later = incidentOf(3, {
    version: 2,
    state: 'identified',
    severity: 'critical',
    change: 'identified',
    services: ['checkout', 'payments'],
    causes: [{ rank: 1, service: 'payments', signal: 's', subject: 'latency_p95', confidence: 0.8, evidence: [] }],
  })
  const elsewhere = incidentOf(9, { environment: 'staging', id: 'incident-9' })
  const all = [...incidents, later, elsewhere].map(event)
  await store.insert('incidents', all.map(incidentRow))
  await store.insert('incident_events', all.map(incidentEventRow))
  const anomalies = [anomalyOf(3, 0, 2), anomalyOf(3, 1, 3), anomalyOf(3, 2, 0.4), anomalyOf(4, 0, 2)]
  await store.insert('anomalies', anomalies.map(event).map(anomalyRow))
  await store.insert('runs', [
    runRow('run-1'),
    runRow('run-2', { incident: 'incident-4', state: 'succeeded', requested_at: began + 1 }),
  ])
  const pause: Control = {
    type: 'pause',
    id: 'p',
    by: 'bo',
    reason: '',
    at: began - 1,
    validFrom: began,
    validTo: null,
  }
  await store.insert('controls', [
    ...[pause, silence].map((control, offset) => controlRow({ ...event<Control>(control), origin: originAt(offset) })),
    controlRow({ ...event<Control>({ ...pause, validTo: began + minute }), origin: originAt(2) }),
  ])
  const suppressed = [anomalyOf(6, 0, 2), anomalyOf(6, 1, 3)].map(anomaly =>
    event({ type: 'suppressed' as const, anomaly, silence }),
  )
  await store.insert('suppressions', suppressed.map(suppressionRow))
  await store.insert('run_events', [runEventRow(2, 'intent'), runEventRow(1, 'requested')])
}

async function decide(decision: RunDecision): Promise<void> {
  if (decision.run === 'run-0') throw new HttpError('OPS_NOT_FOUND', "no run 'run-0'; GET /v1/runs lists them")
  if (decision.run === 'run-2') throw new HttpError('OPS_CONFLICT', "run 'run-2' is succeeded; it waits for nobody")
  decisions.push(decision)
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-api-'))
  store = await openEmbeddedStore({ path: join(folder, 'clickhouse') })
  await migrate(store)
  await fill()
  api = await buildApi({ store, version: '1.2.3', registry: new Registry(), hooks: { decide }, checkAnswers: true })
})
after(async () => {
  await api?.close()
  await store?.close()
  await rm(folder, { recursive: true, force: true })
})

const get = async (url: string, status = 200) => {
  const answer = await api.inject(url)
  assert.equal(answer.statusCode, status, answer.body)
  return answer.json()
}
const ids = async (filter: string): Promise<string[]> =>
  (await get(`/v1/incidents?${filter}`)).incidents.map(({ id }: Incident) => id)

test('each query names its columns and binds its parameters', () => {
  for (const { name, sql } of [...queries, ...deadQueries]) {
    assert.doesNotMatch(sql, /SELECT\s+\*/i, name)
    assert.match(sql, /\{\w+:/, name)
    assert.match(sql, /\bFINAL\b/, name)
    assert.match(sql, /\bLIMIT\b/, name)
  }
})

test('what a query is asked cannot become part of its SQL', async () => {
  for (const text of ["' OR 1=1 --", "\\' OR 1=1", '{limit:UInt32}', '\0', '%', '"'])
    assert.deepEqual(await ids(`service=${encodeURIComponent(text)}`), [])
})

test('incidents come newest first, each at its last version', async () => {
  const { incidents, next } = await get('/v1/incidents')
  assert.deepEqual(
    incidents.map(({ id }: Incident) => id),
    ['incident-9', 'incident-6', 'incident-5', 'incident-4', 'incident-3', 'incident-2', 'incident-1', 'incident-0'],
  )
  assert.equal(next, null)
  assert.equal(incidents[4].version, 2)
})

test('each filter lets through what it says and nothing else', async () => {
  assert.deepEqual(await ids('environment=staging'), ['incident-9'])
  assert.deepEqual(await ids('service=payments'), ['incident-3'])
  assert.deepEqual(await ids('state=identified'), ['incident-3'])
  assert.deepEqual(await ids('severity=critical'), ['incident-3'])
  assert.deepEqual(await ids(`since=${new Date(began + 6 * minute).toISOString()}`), ['incident-9', 'incident-6'])
  assert.deepEqual(await ids(`since=${began + 6 * minute}`), ['incident-9', 'incident-6'])
  assert.deepEqual(await ids('environment=production&service=payments&severity=high'), [])
})

test('pages of any size put together are the whole list', async () => {
  const whole = await ids('')
  for (const limit of [1, 2, 3, 7, 8]) {
    const pages: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: { incidents: Incident[]; next: string | null } = await get(
        `/v1/incidents?limit=${limit}${cursor && `&cursor=${cursor}`}`,
      )
      pages.push(...page.incidents.map(({ id }) => id))
      cursor = page.next
    }
    assert.deepEqual(pages, whole, `limit ${limit}`)
  }
})

test('one incident is told whole', async () => {
  const whole = await get('/v1/incidents/incident-3')
  assert.equal(whole.incident.causes[0].service, 'payments')
  assert.deepEqual(
    whole.timeline.map(({ version, change }: { version: number; change: string }) => `${version} ${change}`),
    ['1 opened', '2 identified'],
  )
  assert.deepEqual(
    whole.anomalies.map(({ id }: Anomaly) => id),
    ['anomaly-3-0', 'anomaly-3-1'],
  )
  assert.deepEqual(
    whole.runs.map(({ run }: { run: string }) => run),
    ['run-1'],
  )
})

test('runs are listed, filtered, and told step by step in the order of the ledger', async () => {
  const runs = async (filter: string) => (await get(`/v1/runs?${filter}`)).runs.map(({ run }: { run: string }) => run)
  assert.deepEqual(await runs(''), ['run-2', 'run-1'])
  assert.deepEqual(await runs('state=awaiting_approval'), ['run-1'])
  assert.deepEqual(await runs('incident=incident-4'), ['run-2'])
  assert.deepEqual(await runs('environment=staging'), [])
  const { run, events } = await get('/v1/runs/run-1')
  assert.equal(run.requestedAt, began)
  assert.deepEqual(
    events.map(({ type }: { type: string }) => type),
    ['requested', 'intent'],
  )
})

test('a wrong request is answered with 400, naming each field', async () => {
  const f = async (url: string, ...names: string[]) => {
    const { error } = await get(url, 400)
    assert.equal(error.code, 'OPS_REQUEST')
    for (const name of names) assert.ok(error.message.includes(`${name}:`), `${name} in '${error.message}'`)
  }
  await f('/v1/incidents?limit=0&state=broken', 'limit', 'state')
  await f('/v1/incidents?limit=x', 'limit')
  await f('/v1/incidents?since=yesterday', 'since')
  await f('/v1/incidents?cursor=nonsense', 'cursor')
  await f('/v1/incidents?colour=red', 'colour')
  await f('/v1/runs?state=broken', 'state')
})

test('what is not there is answered with 404', async () => {
  const f = async (url: string, message: RegExp) => {
    const { error } = await get(url, 404)
    assert.equal(error.code, 'OPS_NOT_FOUND')
    assert.match(error.message, message)
  }
  await f('/v1/incidents/nope', /no incident 'nope'/)
  await f('/v1/runs/nope', /no run 'nope'/)
  await f('/v2', /no GET \/v2; see \/openapi.json/)
})

test('a decision reaches the agent, with who and why', async () => {
  const post = (url: string, payload: object) => api.inject({ method: 'POST', url, payload })
  const approved = await post('/v1/runs/run-1/approve', { by: 'ana', reason: 'known' })
  assert.equal(approved.statusCode, 202, approved.body)
  assert.deepEqual(decisions, [{ run: 'run-1', decision: 'approved', by: 'ana', reason: 'known' }])
  assert.equal((await post('/v1/runs/run-1/reject', { by: 'bo' })).json().decision, 'rejected')
  const f = async (url: string, payload: object, status: number) => {
    const answer = await post(url, payload)
    assert.equal(answer.statusCode, status, answer.body)
  }
  await f('/v1/runs/run-0/approve', { by: 'ana' }, 404)
  await f('/v1/runs/run-2/approve', { by: 'ana' }, 409)
  await f('/v1/runs/run-1/approve', {}, 400)
  await f('/v1/runs/run-1/approve', { by: 'ana', extra: 1 }, 400)
  const without = await buildApi({ store, version: '1' })
  assert.equal(
    (await without.inject({ method: 'POST', url: '/v1/runs/run-1/approve', payload: { by: 'a' } })).statusCode,
    503,
  )
  await without.close()
})

test('why nobody was told: anomalies that were kept back, with the silence that did it', async () => {
  const kept = async (filter: string) => (await get(`/v1/suppressions?${filter}`)).suppressions
  const [newest, ...rest] = await kept('')
  assert.equal(rest.length, 1)
  assert.deepEqual(newest, {
    ...{ environment: 'production', anomaly: 'anomaly-6-1', service: 'checkout', signal: 'series-6' },
    ...{ subject: 'latency_p95', end: began + 8 * minute, score: 3, silence: 'quiet', by: 'ana', reason: 'load test' },
  })
  assert.deepEqual(await kept('environment=staging'), [])
  assert.equal((await kept(`silence=quiet&since=${began + 8 * minute}`)).length, 1)
})

test('controls are read from the store where no agent runs, each as it was said last, and said only to an agent', async () => {
  const { controls } = await get('/v1/controls')
  assert.deepEqual(
    controls.map(({ id, validTo }: Control) => [id, validTo]),
    [
      ['p', began + minute],
      ['quiet', began + 60 * minute],
    ],
  )
  assert.deepEqual((await get('/v1/controls?type=silence')).controls, [silence])
  const payload = { type: 'pause', by: 'ana' }
  assert.equal((await api.inject({ method: 'POST', url: '/v1/controls', payload })).statusCode, 503)
  assert.equal((await api.inject({ method: 'DELETE', url: '/v1/controls/p' })).statusCode, 503)
})

test('what is said reaches the agent as it is meant; a wrong field is one sentence with its name', async () => {
  const drafts: unknown[] = []
  const ended: string[] = []
  const hooks = {
    controls: {
      list: async () => [silence],
      say: async (draft: unknown) => {
        drafts.push(draft)
        return silence
      },
      end: async (id: string) => void ended.push(id),
    },
  }
  const app = await buildApi({ store, version: '1', hooks, checkAnswers: true })
  const post = (payload: object) => app.inject({ method: 'POST', url: '/v1/controls', payload })
  const said = await post({ type: 'silence', by: 'ana', environment: 'production', for: '2h', from: '2026-11-22' })
  assert.equal(said.statusCode, 201, said.body)
  assert.deepEqual(said.json(), { control: silence })
  const from = Date.UTC(2026, 10, 22)
  const draft = { type: 'silence', by: 'ana', reason: '', environment: 'production', for: 120 * minute, from }
  assert.deepEqual(JSON.parse(JSON.stringify(drafts)), [draft])
  assert.deepEqual((await app.inject('/v1/controls')).json(), { controls: [silence] })
  assert.deepEqual((await app.inject({ method: 'DELETE', url: '/v1/controls/quiet' })).json(), { id: 'quiet' })
  assert.deepEqual(ended, ['quiet'])
  const f = async (payload: object, message: RegExp) => {
    const answer = await post(payload)
    assert.equal(answer.statusCode, 400, answer.body)
    assert.match(answer.json().error.message, message)
  }
  await f({ type: 'silense', by: 'ana' }, /^type: /)
  await f({ type: 'silence', by: 'ana', for: '2h' }, /^environment: /)
  await f({ type: 'pause', by: 'ana', for: '2x' }, /^for: '2x' is not a duration such as/)
  await f({ type: 'pause', by: 'ana', to: 'soon' }, /^to: 'soon' is not a time/)
  await f({ type: 'pause' }, /^by: /)
  await f({ type: 'trust', by: 'ana', runbook: 'x', mode: 'auto' }, /^mode: /)
  await f({ type: 'pause', by: 'ana', colour: 'red' }, /^colour: unknown parameter/)
  await app.close()
})

test('a page of another site can neither post a decision nor reach us by a name of its own', async () => {
  const form = await api.inject({
    method: 'POST',
    url: '/v1/runs/run-1/approve',
    headers: { 'content-type': 'text/plain' },
    payload: '{"by":"mallory"}',
  })
  assert.equal(form.statusCode, 400, form.body)
  const guarded = await buildApi({ store, version: '1', loopbackOnly: true })
  const status = async (host: string) => (await guarded.inject({ url: '/v1/incidents', headers: { host } })).statusCode
  for (const host of ['localhost:8080', '127.0.0.1:8080', '[::1]:8080', 'localhost'])
    assert.equal(await status(host), 200, host)
  for (const host of ['evil.example:8080', 'localhost.evil.example', '127.0.0.1.evil.example'])
    assert.equal(await status(host), 403, host)
  await guarded.close()
})

test('with a token, only who shows it sees anything but the health', async () => {
  const guarded = await buildApi({ store, version: '1', token: 'sesame', registry: new Registry() })
  const status = async (url: string, authorization?: string) =>
    (await guarded.inject({ url, headers: authorization ? { authorization } : {} })).statusCode
  for (const url of ['/v1/incidents', '/v1/runs', '/metrics']) {
    assert.equal(await status(url), 401, url)
    assert.equal(await status(url, 'Bearer wrong!'), 401, url)
    assert.equal(await status(url, 'Bearer sesame'), 200, url)
  }
  for (const url of ['/healthz', '/ready', '/openapi.json']) assert.equal(await status(url), 200, url)
  await guarded.close()
})

test('readiness is 503 with the reason as soon as one part is not ready', async () => {
  assert.deepEqual(await get('/ready'), { ready: true, parts: { store: { ok: true } } })
  assert.deepEqual(await get('/healthz'), { status: 'ok' })
  const why = 'kafka 127.0.0.1:9092: unreachable'
  const hooks = { ready: async () => ({ log: { ok: false, why }, store: { ok: true } }) }
  const ill = await buildApi({ store, version: '1', hooks, checkAnswers: true })
  const answer = await ill.inject('/ready')
  assert.equal(answer.statusCode, 503)
  assert.deepEqual(answer.json(), { ready: false, parts: { log: { ok: false, why }, store: { ok: true } } })
  await ill.close()
})

test('a store that is away is 503 with its reason; a fault of ours is 500 without its text, and is reported', async () => {
  const faults: unknown[] = []
  const failing = async (error: Error) => {
    const broken = { ...store, query: async () => Promise.reject(error) } as unknown as Store
    const app = await buildApi({ store: broken, version: '1', hooks: { failed: fault => faults.push(fault) } })
    const answer = await app.inject('/v1/incidents')
    await app.close()
    return answer
  }
  const away = await failing(new SinkError('clickhouse x', 'unreachable', 'connection refused'))
  assert.equal(away.statusCode, 503)
  assert.match(away.json().error.message, /clickhouse x: unreachable/)
  assert.equal(faults.length, 0)
  const fault = await failing(new Error('password hunter2'))
  assert.equal(fault.statusCode, 500)
  assert.ok(!fault.body.includes('hunter2'))
  assert.equal(faults.length, 1)
})

test('the document holds every path with its parameters and errors', async () => {
  const document = await get('/openapi.json')
  assert.equal(document.openapi, '3.1.0')
  assert.deepEqual(Object.keys(document.paths).sort(), [
    '/healthz',
    '/metrics',
    '/ready',
    '/v1/controls',
    '/v1/controls/{id}',
    '/v1/dead-letters',
    '/v1/dead-letters/replay',
    '/v1/dead-letters/{topic}/{partition}/{offset}',
    '/v1/incidents',
    '/v1/incidents/{id}',
    '/v1/logs/aggregate',
    '/v1/logs/anomalies',
    '/v1/logs/patterns',
    '/v1/logs/search',
    '/v1/runs',
    '/v1/runs/{run}',
    '/v1/runs/{run}/approve',
    '/v1/runs/{run}/reject',
    '/v1/suppressions',
  ])
  const { parameters, responses } = document.paths['/v1/incidents'].get
  const limit = parameters.find(({ name }: { name: string }) => name === 'limit')
  assert.deepEqual([limit.schema.default, limit.schema.maximum, limit.required], [50, 500, false])
  assert.deepEqual(Object.keys(responses), ['200', '400', '401', '503'])
})

test('a row that is not what its query says is named, not passed on', async () => {
  const odd = { ...store, query: async () => [{ body: '{"id":1}' }] } as unknown as Store
  await assert.rejects(ask(odd, queries[1], { id: 'x' }), /query incident: .*id/s)
})
