import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonical, canonicalNames, toCanonical } from './aliases.ts'
import type { Summary } from './signal.ts'

const summaryOf = (metric: string, unit: string, mean: number, labels: Record<string, string> = {}): Summary => ({
  ...{ environment: 'prod', service: 'shop', metric, series: 's', unit, labels, start: 0, end: 60_000, count: 4, mean },
  ...{ deviation: 0, min: mean / 2, max: mean * 2, p50: mean, p95: mean * 1.5, last: mean },
})

test('every canonical name is an alias of itself, at factor 1 in its own unit', () => {
  for (const name of canonicalNames) {
    const plain = canonical(name, '')
    assert.deepEqual([plain?.name, plain?.scale, plain?.offset], [name, 1, 0], name)
    assert.equal(canonical(name, plain!.unit)?.scale, 1, name)
  }
})

const rows: readonly [string, string, Record<string, string>, string, string, number, number][] = [
  ['system.cpu.utilization', '1', { state: 'idle', cpu: '0' }, 'cpu_usage', '%', 0.25, 75],
  ['system.cpu.utilization', '1', {}, 'cpu_usage', '%', 0.25, 25],
  ['system_cpu_utilization_ratio', '', { 'cpu.mode': 'idle' }, 'cpu_usage', '%', 0.25, 75],
  ['process.cpu.utilization', '1', { state: 'user' }, 'cpu_usage', '%', 0.25, 25],
  ['node_cpu_seconds_total', '1/s', { mode: 'idle', cpu: '3' }, 'cpu_usage', '%', 0.9, 10],
  ['container_cpu_usage_seconds_total', '1/s', {}, 'cpu_usage', '%', 0.5, 50],
  ['process_cpu_seconds_total', '1/s', {}, 'cpu_usage', '%', 0.5, 50],
  ['process.cpu.time', 's/s', { state: 'system' }, 'cpu_usage', '%', 0.5, 50],
  ['cpu_usage_percent', '', {}, 'cpu_usage', '%', 40, 40],
  ['system.memory.utilization', '1', { state: 'used' }, 'memory_usage', '%', 0.5, 50],
  ['process.memory.usage', 'By', {}, 'memory_bytes', 'By', 5e8, 5e8],
  ['process_resident_memory_bytes', '', {}, 'memory_bytes', 'By', 5e8, 5e8],
  ['container_memory_working_set_bytes', '', {}, 'memory_bytes', 'By', 5e8, 5e8],
  ['memory_usage', 'MiBy', {}, 'memory_bytes', 'By', 2, 2_097_152],
  ['http.server.request.duration', 's', {}, 'latency', 'ms', 0.2, 200],
  ['http_request_duration_seconds', '', {}, 'latency', 'ms', 0.2, 200],
  ['http.server.duration', 'ms', {}, 'latency', 'ms', 200, 200],
  ['http.server.request.duration.count', '1/s', {}, 'request_rate', '1/s', 7, 7],
  ['http_requests_total', '1/s', {}, 'request_rate', '1/s', 7, 7],
  ['kafka_consumergroup_lag', '', {}, 'queue_depth', '1', 7, 7],
  ['queue.depth', '{message}', {}, 'queue_depth', '1', 7, 7],
  ['system.filesystem.utilization', '1', {}, 'disk_usage', '%', 0.9, 90],
]
for (const [metric, unit, labels, name, canonicalUnit, given, wanted] of rows)
  test(`${metric} ${unit} ${JSON.stringify(labels)} is ${name}`, () => {
    const found = toCanonical(summaryOf(metric, unit, given, labels), name)
    assert.ok(found !== undefined && Math.abs(found.value - wanted) < 1e-9 * wanted, String(found?.value))
    assert.equal(found.canonical.unit, canonicalUnit)
    assert.ok(found.min <= found.value && found.value <= found.max)
  })

test('what is unknown, or has a unit that is none of the quantity, has no canonical name', () => {
  for (const [metric, unit] of [
    ['orders_total', '1/s'],
    ['latency', 'By'],
    ['memory_bytes', '%'],
    ['cpu_usage', 'Cel'],
  ] as const)
    assert.equal(canonical(metric, unit), undefined, metric)
  assert.equal(toCanonical(summaryOf('latency', 'ms', 1), 'cpu_usage'), undefined)
})

test('the parts of a machine that must not count do not: busy states beside idle, memory that is free', () => {
  assert.equal(canonical('node_cpu_seconds_total', '1/s', { mode: 'user' }), undefined)
  assert.equal(canonical('system.memory.utilization', '1', { state: 'free' }), undefined)
})

test('labels that only split a quantity up are gone, the others stay', () => {
  const found = toCanonical(
    summaryOf('node_cpu_seconds_total', '1/s', 1, { mode: 'idle', cpu: '0', host: 'a' }),
    'cpu_usage',
  )
  assert.deepEqual(found!.labels, { host: 'a' })
  assert.equal(found!.canonical.fold!.by, 'mean')
})
