import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { LogLine } from '../../operators/signal.ts'
import { tumbling } from '../../operators/window.ts'
import { Config } from '../../pipelines/config.ts'
import { logs } from '../../pipelines/logs.ts'
import { Driver } from '../driver.ts'
import { every, load, perService, type Request } from './load.ts'
import { hottest } from './profile.ts'

const measure = (...args: string[]) => {
  const file = fileURLToPath(new URL('./measure.ts', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' })
  return { status, stderr }
}

test('without a name all measurements are listed, and a wrong name or flag is told', () => {
  const listed = measure()
  assert.equal(listed.status, 0)
  assert.match(listed.stderr, /soak {2}State per key.*--sizes 1000,10000,100000/s)
  assert.match(listed.stderr, /patterns {2}Lines a second of clustering/)
  assert.deepEqual([measure('soka').status, measure('soak', '--size', '1').status], [2, 2])
  assert.match(measure('soka').stderr, /no measurement 'soka'; use/)
})

const sweeps = (keys: number, count: number, churn = 0): Request[] =>
  load({ keys, start: 0, churn })
    .take((2 * keys * count) / perService)
    .toArray()

const servicesOf = (requests: readonly Request[]): Set<string> =>
  new Set(requests.map(({ body }) => /"stringValue":"(service-[\d-]+)"/.exec(body)![1]!))

test('the load is the same for the same parameters, and each series has one sample a sweep', () => {
  const requests = sweeps(1_000, 3)
  assert.deepEqual(sweeps(1_000, 3), requests)
  assert.equal(servicesOf(requests).size, 10)
  const times = requests
    .filter(({ path }) => path === '/v1/metrics')
    .map(({ body }) => Number(/"timeUnixNano":"(\d+)000000"/.exec(body)![1]))
  assert.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
  )
  assert.equal(times[10]! - times[0]!, every)
})

test('of the services a share vanishes with each sweep and never comes back', () => {
  const [before, after] = [sweeps(2_000, 4, 0.25).slice(0, 40), sweeps(2_000, 5, 0.25).slice(-40)]
  assert.equal(servicesOf(before).size, 20)
  assert.equal(servicesOf(after).intersection(servicesOf(before)).size, 0)
  assert.equal(servicesOf(sweeps(2_000, 1, 0.25)).intersection(servicesOf(sweeps(2_000, 2, 0.25).slice(-40))).size, 15)
})

test('the lines of a service have as many patterns as it has lines, in every sweep the same', () => {
  const { detection } = Config.parse({})
  const driver = new Driver(logs({ upstream: [], ...detection, window: tumbling('1m') }), 'test')
  let offset = 0
  for (const { path, body } of sweeps(perService, 3)) {
    if (path !== '/v1/logs') continue
    const { resourceLogs } = JSON.parse(body) as {
      resourceLogs: { scopeLogs: { logRecords: { body: { stringValue: string } }[] }[] }[]
    }
    for (const record of resourceLogs[0]!.scopeLogs[0]!.logRecords) {
      const place = { environment: 'prod', service: 'shop', attributes: {} }
      const value: LogLine = { type: 'log', ...place, severity: 9, body: record.body.stringValue }
      driver.send({ key: 'prod/shop', time: offset, origin: { stream: 's', offset: offset++, index: 0 }, value })
    }
  }
  driver.advance(1_000_000)
  assert.equal(new Set(driver.read('log_lines').map(({ pattern }) => pattern)).size, perService)
})

test('a profile is told by own time, and idleness is none', () => {
  const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 4 })
  const nodes = [
    { id: 1, callFrame: frame('(idle)') },
    { id: 2, callFrame: frame('work', 'file:///a/b.ts') },
    { id: 3, callFrame: frame('(garbage collector)') },
  ]
  const { functions } = hottest({ nodes, samples: [1, 2, 3, 2], timeDeltas: [100, 2, 1, 1] })
  assert.deepEqual(functions, [
    { place: 'work file:///a/b.ts:5', share: 0.75 },
    { place: '(garbage collector)', share: 0.25 },
  ])
})
