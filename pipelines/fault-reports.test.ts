import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { startAgentProcess } from '../test/kit/agent.ts'
import { eventually } from '../test/kit/eventually.ts'
import { masker, Secret } from './configuration/secret.ts'
import { reportingLogger } from './fault-reports.ts'
import { type ErrorReports, openSentry } from './sentry.ts'
import type { Logger } from './sources/logger.ts'

interface SentryEvent {
  readonly exception: {
    readonly values: readonly { type: string; value: string; stacktrace?: { frames: unknown[] } }[]
  }
  readonly tags: Readonly<Record<string, string>>
}

/** Sentry's envelope endpoint, as far as a sender can tell. */
async function sentryServer(t: TestContext) {
  const bodies: string[] = []
  const server = createServer(async (request, response) => {
    bodies.push(`${request.url}\n${await textOf(request)}`)
    response.setHeader('content-type', 'application/json').end('{}')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  // An envelope: a line of its own, then each item as a line that describes it and its body.
  const events = (): SentryEvent[] =>
    bodies.flatMap(body => {
      const [, , item = '{}', event = '{}'] = body.split('\n')
      return (JSON.parse(item) as { type?: string }).type === 'event' ? [JSON.parse(event) as SentryEvent] : []
    })
  return { dsn: `http://public@127.0.0.1:${port}/42`, bodies, events }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  return (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString()
}

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} }

function reporting(reports: ErrorReports) {
  const clock = { time: 0, now: () => clock.time, sleep: async () => {} }
  return { logger: reportingLogger(quiet, reports, clock), clock }
}

test('what a step threw is reported with its place, and neither its key nor a secret', async t => {
  const server = await sentryServer(t)
  const mask = masker([new Secret('hunter2!')])
  const reports = openSentry({ dsn: server.dsn, environment: 'test', release: '1.2.3', mask })
  const { logger } = reporting(reports)
  const { stack } = new TypeError('cannot read hunter2! of undefined')
  logger.error({ pipeline: 'logs', step: 'cluster', key: 'prod/customer-7', error: stack }, "step 'cluster' failed")
  logger.warn({ error: new Error('only a warning') }, 'odd')
  await reports.close()
  const [event, ...more] = server.events()
  assert.equal(more.length, 0)
  assert.deepEqual(event?.tags, { pipeline: 'logs', step: 'cluster' })
  assert.match(event!.exception.values[0]!.value, /cannot read \*\*\* of undefined/)
  assert.ok(event!.exception.values[0]!.stacktrace!.frames.length > 0)
  const all = server.bodies.join()
  assert.ok(all.startsWith('/api/42/envelope/'))
  for (const hidden of ['hunter2', 'customer-7', 'only a warning', `"${hostname()}"`]) assert.ok(!all.includes(hidden))
})

test('the same fault is reported once a minute, and what was foreseen never', () => {
  const seen: unknown[] = []
  const { logger, clock } = reporting({ report: error => void seen.push(error), close: async () => {} })
  const fault = new Error('broken')
  for (let second = 0; second < 150; second++) {
    clock.time = second * 1_000
    logger.error({ error: fault }, 'the API failed to answer')
  }
  assert.equal(seen.length, 3)
  logger.error({ error: new Error('broken elsewhere') }, 'the API failed to answer')
  assert.equal(seen.length, 4)
  logger.error({ error: Object.assign(new Error('store down'), { code: 'OPS_SINK' }) }, 'the subscription has ended')
  logger.error({ offset: 7 }, 'run record that cannot be read')
  assert.equal(seen.length, 4)
})

test('an error that nobody caught ends the agent: logged, reported, and the secret in it hidden', async t => {
  const server = await sentryServer(t)
  const folder = await mkdtemp(join(tmpdir(), 'ops-fault-'))
  t.after(() => rm(folder, { recursive: true }))
  const fault = "process.on('message', () => { Promise.reject(new Error('lost hunter2!hunter2!')) })"
  const flags = ['--import', `data:text/javascript,${encodeURIComponent(fault)}`]
  const settings = [`sentry.dsn=${server.dsn}`, 'http.token=hunter2!hunter2!']
  const agent = await startAgentProcess(folder, settings, [], flags)
  const exit = once(agent.process, 'exit')
  agent.process.send('now')
  assert.deepEqual(await exit, [null, 'SIGKILL'])
  const told = await eventually(async () => {
    const found = agent.log.find(line => line.includes('nobody caught'))
    assert.ok(found, agent.log.join('\n'))
    return found
  })
  assert.match(told, /lost \*\*\*/)
  assert.deepEqual(
    server.events().map(({ exception }) => exception.values[0]?.value),
    ['lost ***'],
  )
  for (const text of [...agent.log, ...server.bodies]) assert.ok(!text.includes('hunter2'), text)
})
