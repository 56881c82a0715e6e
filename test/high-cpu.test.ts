import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { until } from '../deploy/demo/receiver.fixture.ts'
import { RenderApiServer } from '../deploy/demo/render/api.ts'
import { Fleet } from '../deploy/demo/render/fleet.ts'
import type { Incident } from '../operators/signal.ts'
import type { IncidentReplayResult } from '../pipelines/replays/incident-replay.ts'
import { type AgentProcess, startAgentProcess } from './kit/agent.ts'
import {
  errorsRequest,
  type Json,
  metricsRequest,
  nodeCpuSeconds,
  type Place,
  processCpuUtilization,
  systemCpuUtilization,
} from './kit/collectors.ts'

// runbooks/high-cpu-usage.yaml as it is, fired by what unchanged collectors send: a whole agent in a process of its own,
// OTLP over HTTP, a Render API that really starts processes; what the agent does is read from its query API alone.

/** A minute is three seconds: long enough for an incident to be seen well before the runbook's five are over. */
const timeScale = 20
const DURATION = (5 * 60_000) / timeScale
const main = fileURLToPath(new URL('../pipelines/main.ts', import.meta.url))
const RUNBOOK = 'High CPU Usage Response'
const PATIENCE = 40_000

const busy: Place = { environment: 'production', service: 'catalog' }
/** The same service where no action on it is possible. */
const unmanaged: Place = { environment: 'staging', service: 'catalog' }
/** Above the threshold for less than the duration. */
const brief: Place = { environment: 'production', service: 'search' }
const services = `services:
  catalog:
    environments: { production: { render: { serviceId: srv-demo-catalog } } }
  search:
    environments: { production: { render: { serviceId: srv-demo-search } } }
`

const fleet = new Fleet({
  ...{ endpoint: undefined, metricInterval: 500, logDelay: 500, temporality: 'delta' },
  only: ['catalog'],
})
const render = new RenderApiServer({ fleet, apiKey: 'rnd_test' })
let folder: string
let agent: AgentProcess
let sender: Sender

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-high-cpu-'))
  await writeFile(join(folder, 'services.yaml'), services)
  await Promise.all([fleet.start(), render.listen(0)])
  agent = await startAgentProcess(folder, [
    `timeScale=${timeScale}`,
    'services=services.yaml',
    `render.baseUrl=${render.url}`,
    'render.apiKey=rnd_test',
  ])
  sender = new Sender(agent.otlp)
})
after(async () => {
  await sender?.stop()
  await agent?.stop()
  await render.close()
  await fleet.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Sends a reading of every service, again and again, as collectors do. */
class Sender {
  briefShare = 0.9
  readonly #url: string
  readonly #started = Date.now()
  readonly #stop = new AbortController()
  readonly #done: Promise<void>

  constructor(url: string) {
    this.#url = url
    this.#done = this.#run()
    // Told by `stop`.
    this.#done.catch(() => undefined)
  }

  /** Rejects if the receiver refused anything. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async post(signal: 'logs' | 'metrics', body: Json): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${this.#url}/v1/${signal}`, { method: 'POST', headers, body: JSON.stringify(body) })
    assert.equal(response.status, 200, await response.text())
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const now = Date.now()
      await this.post('metrics', metricsRequest(busy, [systemCpuUtilization(0.95, now)]))
      await this.post('metrics', metricsRequest(unmanaged, [nodeCpuSeconds(0.95, now, this.#started)]))
      await this.post('metrics', metricsRequest(brief, [processCpuUtilization(this.briefShare, now)]))
      await delay(200, undefined, { signal }).catch(() => undefined)
    }
  }
}

interface Run {
  readonly run: string
  readonly runbook: string
  readonly state: string
  readonly reason: string
  readonly summary: string
  readonly requestedAt: number
}
interface RunEvent {
  readonly type: string
  readonly stepName: string
  readonly outcome: string
  readonly summary: string
  readonly output: string
}

async function get<T>(path: string): Promise<T> {
  const response = await fetch(`${agent.api}${path}`)
  assert.equal(response.status, 200, path)
  return (await response.json()) as T
}
const query = (place: Place): URLSearchParams => new URLSearchParams({ ...place })

/** The incident in which the runbook's rule has spoken of the service, and that signal. */
async function breach(place: Place) {
  const { incidents } = await get<{ incidents: Incident[] }>(`/v1/incidents?${query(place)}`)
  for (const incident of incidents) {
    const signal = incident.signals.find(({ kind, service }) => kind === 'rule' && service === place.service)
    if (signal) return { incident, signal }
  }
  return undefined
}

const runsOf = async (place: Place): Promise<Run[]> => (await get<{ runs: Run[] }>(`/v1/runs?${query(place)}`)).runs
const runIn = async (state: string, place: Place): Promise<Run | undefined> =>
  (await runsOf(place)).find(run => run.state === state)

const resultsOf = async (run: string): Promise<RunEvent[]> =>
  (await get<{ events: RunEvent[] }>(`/v1/runs/${run}`)).events.filter(({ type }) => type === 'result')

test('a breach opens an incident at once, whatever the duration of the runbook', async () => {
  await sender.post('logs', errorsRequest(busy, 'no room left in the basket cache', 3, Date.now()))
  for (const place of [busy, unmanaged, brief]) {
    const { incident, signal } = await until(`an incident of ${query(place)}`, () => breach(place), PATIENCE)
    assert.ok(Date.now() < signal.since + DURATION, `seen only ${Date.now() - signal.since} ms after its first sign`)
    assert.ok(incident.detectedAt < signal.since + DURATION)
    console.log(
      place.environment,
      place.service,
      Date.now() - signal.since,
      incident.detectedAt - signal.since,
      incident.version,
      incident.state,
      signal.lastAt - signal.since,
      Date.now(),
    )
    assert.deepEqual([signal.subject, signal.unit, signal.rule?.name], ['cpu_usage', '%', RUNBOOK])
    assert.ok(Math.abs(signal.value - (place === brief ? 90 : 95)) < 1, `cpu_usage is ${signal.value} %`)
    assert.deepEqual(await runsOf(place), [])
  }
  sender.briefShare = 0.2
})

test('after the duration two steps run, and the third waits with what it would do', async () => {
  const waiting = await until('a run that waits', () => runIn('awaiting_approval', busy), PATIENCE)
  const { signal } = (await breach(busy))!
  assert.ok(waiting.requestedAt >= signal.since + DURATION, 'asked for no sooner than the duration says')
  assert.equal(waiting.runbook, RUNBOOK)
  const [processes, logs, scaling, ...rest] = await resultsOf(waiting.run)
  assert.deepEqual(rest, [])

  assert.deepEqual([processes?.stepName, processes?.outcome], ['Check processes', 'succeeded'])
  const hasTop = spawnSync('/bin/sh', ['-c', 'command -v top']).status === 0
  assert.match(processes?.output ?? '', hasTop ? /^top - .*\n.*\n%Cpu(.*\n)*.*PID USER/ : /top: .*not found/)

  assert.deepEqual([logs?.stepName, logs?.outcome], ['Check application logs', 'succeeded'])
  assert.equal(logs?.summary, '3 lines, 1 pattern')
  assert.match(logs?.output ?? '', /^3 × no room left in the basket cache$/m)

  assert.deepEqual([scaling?.stepName, scaling?.outcome], ['Scale up if needed', 'would_do'])
  assert.equal(scaling?.summary, 'scales srv-demo-catalog from 1 instance to 2')
  assert.match(waiting.summary, /would: scales srv-demo-catalog from 1 instance to 2/)
  assert.equal(fleet.get('catalog').instances.length, 1, 'nobody has agreed yet')
})

test('the same service where it has no target: blocked, and nothing is acted upon', async () => {
  const blocked = await until('a run that is blocked', () => runIn('blocked', unmanaged), PATIENCE)
  assert.equal(blocked.reason, 'UnmanagedResource')
  assert.match(blocked.summary, /staging\/catalog/)
  assert.deepEqual(await resultsOf(blocked.run), [])
  assert.equal(fleet.get('catalog').instances.length, 1)
})

test('approved, the service is scaled and the run goes on to be verified', async () => {
  const { run } = (await runIn('awaiting_approval', busy))!
  const response = await fetch(`${agent.api}/v1/runs/${run}/approve`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ by: 'ana', reason: 'we need it' }),
  })
  assert.equal(response.status, 202, await response.text())
  await until('a run that is verified', () => runIn('verifying', busy), PATIENCE)
  const scaled = (await resultsOf(run)).at(-1)
  assert.deepEqual([scaled?.stepName, scaled?.outcome], ['Scale up if needed', 'succeeded'])
  assert.equal(fleet.get('catalog').numInstances, 2)
  assert.equal(fleet.get('catalog').instances.length, 2)
  const { incident } = (await breach(busy))!
  const told = await until('the incident tells of its run', async () => (await breach(busy))?.incident.runs.at(-1))
  assert.deepEqual([told.run, told.target], [run, 'production/catalog'], incident.id)
})

test('what is over before the duration is an incident without a run', async () => {
  const { incident } = await until(
    'the brief breach is over for as long as the duration',
    async () => {
      const found = await breach(brief)
      return found?.signal.firing === false && found.signal.lastAt >= found.signal.since + DURATION ? found : undefined
    },
    PATIENCE,
  )
  assert.deepEqual(incident.runs, [])
  assert.deepEqual(await runsOf(brief), [])
})

test('all that was recorded, run again, comes out the same: incidents with their runs, and what was asked for', async () => {
  await sender.stop()
  await agent.stop()
  const words = ['replay', '--data', folder, '--into', 'again', '--json']
  const set = [`timeScale=${timeScale}`, 'services=services.yaml'].flatMap(setting => ['--set', setting])
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words, ...set], { cwd: folder })
  assert.equal(status, 0, String(stderr))
  const { recorded, replayed, differences } = JSON.parse(String(stdout)) as IncidentReplayResult
  assert.deepEqual(differences, [])
  assert.deepEqual(replayed, recorded)
  assert.deepEqual(recorded, { incidents: 3, actions: 2 })
})
