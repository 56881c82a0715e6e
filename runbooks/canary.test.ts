import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../operators/clock.ts'
import { requested } from '../test/run-simulation.ts'
import { logAnalysis } from './actions/log-analysis.ts'
import { render } from './actions/render.ts'
import { shell } from './actions/shell.ts'
import { wait } from './actions/wait.ts'
import { Executor } from './execute.ts'
import { loadRunbooks, parseRunbook } from './load.ts'
import type { RunRecord } from './record.ts'
import type { Runbook } from './runbook.ts'
import { Secrets } from './secrets.ts'

const canary = 'rnd_canary+KEY/0123456789=='

const clock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal && { signal }).catch(() => {}),
}

/** Runs a runbook on real actions, until it is over or waits for somebody. Answers everything that left the process. */
async function runReal(runbook: Runbook) {
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    response.setHeader('content-type', 'application/json')
    if (request.method === 'POST') return void response.writeHead(400).end(JSON.stringify({ message: `key ${canary}` }))
    const service = { id: 'srv-1', name: canary, type: 'web_service', serviceDetails: { numInstances: 1 } }
    response.end(JSON.stringify(path.endsWith('/instances') ? [{ id: canary, createdAt: '' }] : service))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const secrets = new Secrets([canary])
  const log: RunRecord[] = [requested('r1', Date.now(), { runbook: runbook.name })]
  const out: unknown[] = []
  const states: string[] = []
  const found = {
    count: 1,
    patterns: [{ template: `login with ${canary}`, count: 1 }],
    examples: [
      { time: 0, service: 'shop', body: `Authorization: Basic ${Buffer.from(`me:${canary}`).toString('base64')}` },
    ],
    anomalies: [{ end: 0, subject: `login with ${canary}`, why: `3 lines with ${canary}` }],
  }
  const said = (details: object) => void out.push(details)
  const executor = new Executor({
    runbooks: [runbook],
    actions: {
      shell: shell({ secrets }),
      log_analysis: logAnalysis(async () => found, secrets),
      render: render({ url, apiKey: canary }),
      wait,
    },
    catalogue: {
      services: {
        shop: {
          tier: 3,
          dependencies: [],
          aliases: [],
          environments: { production: { render: { serviceId: 'srv-1' } } },
        },
      },
    },
    ...{ clock, secrets },
    nonce: () => `n${log.length}-${out.length}`,
    append: async record => void log.push(record),
    report: async event => {
      states.push(event.value.state)
      out.push(event)
    },
    journal: async rows => void out.push(...rows),
    logger: { warn: said, error: said },
  })
  executor.assigned(0)
  executor.caughtUp(0)
  for (let offset = 0; !['awaiting_approval', 'verifying', 'failed', 'blocked'].includes(states.at(-1) ?? ''); ) {
    const record = log[offset]
    if (record) await executor.observe(record, { partition: 0, offset: offset++, live: true })
    else await setImmediate()
  }
  await executor.close()
  server.closeAllConnections()
  server.close()
  return { states, log, printed: JSON.stringify([out, log]) }
}

function assertClean(printed: string): void {
  const forms = [
    canary,
    JSON.stringify(canary).slice(1, -1),
    encodeURIComponent(canary),
    Buffer.from(canary).toString('base64'),
    Buffer.from(`me:${canary}`).toString('base64'),
    Buffer.from(canary).toString('hex'),
  ]
  for (const form of forms) assert.ok(!printed.includes(form), form)
}

test("the issue's runbook: two steps run, the third says what it would do, and no secret gets out", async () => {
  const [runbook] = await loadRunbooks([join(import.meta.dirname, 'high-cpu-usage.yaml')])
  const { states, log, printed } = await runReal(runbook!)
  assert.deepEqual(states, ['queued', 'running', 'awaiting_approval'])
  const results = log.flatMap(record => (record.type === 'result' ? [record] : []))
  assert.deepEqual(
    results.map(({ outcome, summary }) => [outcome, summary]),
    [
      ['succeeded', 'exit code 0'],
      ['succeeded', '1 line, 1 pattern, 1 anomalous window'],
      ['would_do', 'scales srv-1 from 1 instance to 2'],
    ],
  )
  assert.match(results[0]?.output ?? '', /load average/)
  assert.match(results[1]?.output ?? '', /login with \*\*\*/)
  assert.deepEqual([results[2]?.before, results[2]?.after], [{ instances: 1 }, { instances: 2 }])
  assertClean(printed)
})

test('no tool lets a secret out: not in output, names, errors or records', async () => {
  const [shellStep, logStep] = [
    `{ name: a, tool: shell, effect: read, command: 'echo $X; echo $X | base64; exit 0', env: { X: '${canary}' } }`,
    '{ name: b, tool: log_analysis, query: error }',
  ]
  const text = `name: leaky
mode: auto
steps:
  - ${shellStep}
  - ${logStep}
  - { name: c, tool: wait, for: 1ms }
  - { name: d, tool: shell, command: 'touch /nonexistent/${canary}', onFailure: continue }
  - { name: e, tool: render, action: restart_service }
`
  const { states, log, printed } = await runReal(parseRunbook(text, 'x.yaml'))
  assert.deepEqual(states, ['queued', 'running', 'failed'])
  assert.deepEqual(
    log.flatMap(record => (record.type === 'result' ? [record.outcome] : [])),
    ['succeeded', 'succeeded', 'succeeded', 'failed', 'failed'],
  )
  assert.match(JSON.stringify(log.at(-1)), /400 key \*\*\*/)
  assertClean(printed)
})
