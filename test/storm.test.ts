import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEmbeddedStore } from '../sinks/embedded-store.ts'
import { type AgentProcess, startAgentProcess } from './kit/agent.ts'
import { eventually } from './kit/eventually.ts'
import { logsOf, metricsOf } from './otlp-messages.ts'

// Ten times the usual lines, with metrics beside them: an agent of its own process, embedded log and store, OTLP in, and
// what it says of itself in /metrics.

/** A window of a minute is three seconds. */
const timeScale = 20
/** Lines a second before the storm, and lines of the storm, sent as fast as the receiver takes them. */
const usual = 400
const storm = 120_000
const perRequest = 100
/** Requests of the storm under way at once. */
const parallel = 8

let folder: string
let agent: AgentProcess
let sent = 0

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-storm-'))
  const sampling = ['detection.sample.linesPerSecond=1000', 'detection.sample.errorsPerSecond=5000']
  agent = await startAgentProcess(folder, [`timeScale=${timeScale}`, ...sampling])
})
after(async () => {
  await agent.stop()
  await rm(folder, { recursive: true })
})

async function post(path: string, request: object): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${agent.otlp}${path}`, { method: 'POST', headers, body: JSON.stringify(request) })
  assert.equal(response.status, 200, await response.text())
}

/** Sends a request of lines, the first of them an error. */
async function send(): Promise<void> {
  const timeUnixNano = `${Date.now()}000000`
  const records = Array.from({ length: perRequest }, (_, at) => ({
    timeUnixNano,
    severityNumber: at === 0 ? 17 : 9,
    body: { stringValue: `order ${sent + at} placed in ${at} ms` },
  }))
  sent += perRequest
  await post('/v1/logs', logsOf('shop', records))
}

async function usualLines(seconds: number): Promise<void> {
  const began = performance.now()
  for (let done = perRequest; done <= usual * seconds; done += perRequest) {
    await send()
    await sleep(Math.max(0, (1_000 * done) / usual - (performance.now() - began)))
  }
}

/** Lines a second. */
async function stormOfLines(): Promise<number> {
  const [began, until] = [performance.now(), sent + storm]
  const sender = async () => {
    while (sent < until) await send()
  }
  await Promise.all(Array.from({ length: parallel }, sender))
  return (1_000 * storm) / (performance.now() - began)
}

interface Seen {
  /** Seconds that the watermark of metrics is behind. */
  readonly metrics: number
  /** Seconds that the watermark of logs is behind. */
  readonly logs: number
  /** Records of lines that wait. */
  readonly waiting: number
  readonly rss: number
}

async function look(): Promise<Seen> {
  const text = await (await fetch(`${agent.api}/metrics`)).text()
  const value = (name: string, pipeline = '') => {
    const found = new RegExp(`^${name}(?:\\{pipeline="${pipeline}",.*\\})? (\\S+)$`, 'm').exec(text)
    return Number(found?.[1] ?? 0)
  }
  return {
    metrics: value('opsagent_watermark_lag_seconds', 'metrics'),
    logs: value('opsagent_watermark_lag_seconds', 'logs'),
    waiting: value('opsagent_consumer_lag', 'logs') + value('opsagent_consumer_lag', 'entry.telemetry.logs'),
    rss: value('process_resident_memory_bytes'),
  }
}

/** Sends a sample and looks, four times a second, while the work goes on. */
async function during(work: () => Promise<unknown>): Promise<Seen[]> {
  const seen: Seen[] = []
  let going = true
  const working = work().finally(() => {
    going = false
  })
  while (going) {
    const dataPoints = [{ timeUnixNano: `${Date.now()}000000`, asDouble: 20 }]
    await post('/v1/metrics', metricsOf('shop', [{ name: 'queue.depth', gauge: { dataPoints } }]))
    seen.push(await look())
    await sleep(250)
  }
  await working
  return seen
}

const most = (seen: readonly Seen[], of: keyof Seen): number => Math.max(...seen.map(each => each[of]))

test('ten times the lines: metrics go on, every line is counted, a sample is kept, memory is bounded', async t => {
  const calm = await during(() => usualLines(5))
  let rate = 0
  const stormy = await during(async () => {
    rate = await stormOfLines()
    // Its windows are closed once the watermark is that far past them.
    await eventually(async () => assert.ok(agent.log.some(line => line.includes('are all kept again'))), 60_000)
  })
  await agent.stop()
  const peak = Math.round(most(stormy, 'rss') / 2 ** 20)
  t.diagnostic(
    `${sent} lines, ${Math.round(rate)} a second in the storm, of which at most ${most(stormy, 'waiting')} waited`,
  )
  t.diagnostic(
    `metrics were at most ${most(stormy, 'metrics')} s behind (before ${most(calm, 'metrics')} s), logs ${most(stormy, 'logs')} s, memory at most ${peak} MiB`,
  )
  assert.ok(rate > 10 * usual, `${rate} lines a second are no storm`)
  assert.ok(most(stormy, 'metrics') < most(calm, 'metrics') + 5, 'metrics starve behind logs')
  assert.ok(peak < 1_200, `${peak} MiB`)
  const store = await openEmbeddedStore({ path: join(folder, 'clickhouse') })
  try {
    const [of] = await store.query<Record<string, number>>(
      `SELECT (SELECT sum(count) FROM log_counts FINAL) AS counted, (SELECT count() FROM log_lines FINAL) AS kept,
         (SELECT sum(lines + errors - kept - errors_kept) FROM log_sampling FINAL) AS left_out,
         (SELECT sum(errors - errors_kept) FROM log_sampling FINAL) AS errors_left_out,
         (SELECT count() FROM log_lines FINAL WHERE severity >= 17) AS errors,
         (SELECT count() FROM late_events FINAL) + (SELECT count() FROM dead_letters FINAL) AS lost`,
    )
    assert.equal(of!.counted, sent)
    assert.equal(of!.kept! + of!.left_out!, sent)
    assert.ok(of!.left_out! > 0.2 * storm, `${of!.left_out} lines were left out`)
    assert.equal(of!.errors, sent / perRequest)
    assert.deepEqual([of!.errors_left_out, of!.lost], [0, 0])
  } finally {
    await store.close()
  }
  const said = agent.log.filter(line => line.includes('lines of default/shop are'))
  assert.equal(said.length, 2, said.join('\n'))
  assert.match(said[0]!, /are sampled: /)
  assert.match(said[1]!, /are all kept again/)
})
