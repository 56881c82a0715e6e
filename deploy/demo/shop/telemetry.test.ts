import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { Receiver } from '../receiver.fixture.ts'
import type { Temporality } from './instruments.ts'
import { Telemetry } from './telemetry.ts'

describe('telemetry of a process', () => {
  let receiver: Receiver
  beforeEach(async () => {
    receiver = await new Receiver().listen()
  })
  afterEach(() => receiver.close())

  const create = (temporality: Temporality): Telemetry =>
    new Telemetry({
      endpoint: receiver.url,
      metricInterval: 3_600_000,
      logDelay: 3_600_000,
      temporality,
      resource: { 'service.name': 'catalog', 'service.instance.id': 'i1', 'deployment.environment.name': 'demo' },
    })

  test('a log record is OTLP JSON: integers as strings, enums as numbers, ids in hex', async () => {
    const telemetry = create('cumulative')
    const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }
    telemetry.log('error', 'it broke', { attempt: 3 }, trace)
    await telemetry.flush()
    const sent = JSON.parse(receiver.bodies.find(body => body.includes('resourceLogs')) ?? '')
    const [record] = sent.resourceLogs[0].scopeLogs[0].logRecords
    assert.match(record.timeUnixNano, /^\d{19}$/)
    assert.equal(record.severityNumber, 17)
    assert.deepEqual(record.body, { stringValue: 'it broke' })
    assert.deepEqual(record.attributes, [{ key: 'attempt', value: { intValue: '3' } }])
    assert.equal(record.traceId, trace.traceId)
    assert.deepEqual(sent.resourceLogs[0].resource.attributes[2], {
      key: 'deployment.environment.name',
      value: { stringValue: 'demo' },
    })
  })

  test('cumulative sums and buckets grow from export to export', async () => {
    const telemetry = create('cumulative')
    const duration = telemetry.histogram('http.server.request.duration')
    const errors = telemetry.counter('errors', '{request}')
    for (const seconds of [0.03, 0.3]) {
      duration.record(seconds, { 'http.route': '/' })
      errors.add(2)
      await telemetry.flush()
    }
    const histograms = receiver.metrics.filter(({ metric }) => metric.histogram)
    assert.deepEqual(
      histograms.map(({ points }) => points[0]?.count),
      ['1', '2'],
    )
    assert.equal(histograms[1]?.points[0]?.bucketCounts?.join(), '0,0,0,1,0,0,0,1,0,0,0,0,0,0,0')
    assert.deepEqual(receiver.values('catalog', 'errors'), [2, 4])
    assert.equal(histograms[0]?.metric.histogram?.aggregationTemporality, 2)
  })

  test('delta sums start again, and say 0 when nothing happened', async () => {
    const telemetry = create('delta')
    const errors = telemetry.counter('errors', '{request}')
    errors.add(2)
    await telemetry.flush()
    await telemetry.flush()
    assert.deepEqual(receiver.values('catalog', 'errors'), [2, 0])
  })

  test('what was refused is sent again, in order', async () => {
    const telemetry = create('delta')
    const errors = telemetry.counter('errors', '{request}')
    receiver.answer = 503
    errors.add(1)
    await telemetry.flush()
    receiver.answer = 200
    errors.add(7)
    await telemetry.flush()
    assert.deepEqual(receiver.values('catalog', 'errors'), [1, 7])
  })

  test('a burst of log records is cut, and the cut is told', async () => {
    const telemetry = create('delta')
    for (let index = 0; index < 250; index++) telemetry.log('info', `line ${index}`)
    await telemetry.flush()
    assert.equal(receiver.logs.length, 201)
    assert.equal(receiver.logs.at(-1)?.body, '50 log records suppressed above 200 per export')
  })
})
