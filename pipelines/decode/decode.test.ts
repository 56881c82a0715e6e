import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { LogLine, Sample } from '../../operators/signal.ts'
import { Telemetry } from '../../operators/signal.ts'
import { attribute, encodeLogs, encodeMetrics, logsOf, metricsOf } from '../../test/otlp-messages.ts'
import type { LogRecord } from '../sources/log.ts'
import { decode } from './decode.ts'
import { type Decoded, deadReasons, defaultContext } from './decoded.ts'

const appendedAt = Date.parse('2026-11-22T12:00:00Z')
const day = 86_400_000

function recordOf(value: string | Buffer | null, headers: Record<string, string> = {}, topic = 'events'): LogRecord {
  return {
    topic,
    partition: 3,
    offset: 41,
    appendedAt,
    key: null,
    value: value === null ? null : Buffer.from(value as string),
    headers,
  }
}
const read = (value: string | Buffer | null, headers?: Record<string, string>, topic?: string): Decoded =>
  decode(recordOf(value, headers, topic), defaultContext)
const json = (value: unknown, headers?: Record<string, string>): Decoded => read(JSON.stringify(value), headers)
const reasons = (decoded: Decoded): string[] => decoded.dead.map(part => part.reason)
const bodies = (decoded: Decoded): string[] => decoded.events.map(({ value }) => (value as LogLine).body)

test('what cannot be read is dead with its reason', () => {
  const f = (value: string | Buffer | null, reason: string, headers?: Record<string, string>): void => {
    const decoded = read(value, headers)
    assert.deepEqual([reasons(decoded), decoded.events.length], [[reason], 0], String(value).slice(0, 60))
    assert.ok(decoded.dead[0]!.detail.length > 0)
  }
  f(null, 'empty')
  f('', 'empty')
  f(' \n\t\n', 'empty')
  f('[]', 'empty')
  f('{"resourceLogs":[]}', 'empty')
  f(Buffer.from([0xff, 0xfe, 1]), 'undecodable')
  f('{"message": "x"', 'invalid-json')
  f('[{"message": "x"}', 'invalid-json')
  f('not json', 'invalid-json', { 'content-type': 'application/json; charset=utf-8' })
  f(Buffer.from([0, 0, 0, 1, 2, 9, 9]), 'unknown-schema')
  f('not protobuf', 'truncated-protobuf', { 'content-type': 'application/x-protobuf' })
  f('{"resourceSpans":[{}]}', 'unsupported')
  f('{"resourceLogs":7}', 'wrong-type')
  f('{"name":"cpu","value":{}}', 'wrong-type')
  f('{"message":"x","time":true}', 'wrong-type')
  f('[7]', 'wrong-type')
  f('x'.repeat(5_000_000), 'too-large')
  f(JSON.stringify({ message: 'é'.repeat(600_000) }), 'too-large')
  f(JSON.stringify({ message: 'x', time: appendedAt + day + 1 }), 'implausible-time')
  f(JSON.stringify({ message: 'x', time: '2016-01-01T00:00:00Z' }), 'implausible-time')
  f('2016-01-01T00:00:00Z a line of long ago', 'implausible-time')
  assert.match(read(Buffer.from([0, 0, 0, 1, 2, 9, 9])).dead[0]!.detail, /schema id 258/)
})

test('records that are old on purpose may be old, and never of the future', () => {
  const historical = { 'ops-historical': '1' }
  assert.equal(read('1999-01-01 00:00:00 x', historical).events.length, 1)
  assert.deepEqual(reasons(read('2199-01-01 00:00:00 x', historical)), ['implausible-time'])
})

test('lines of text are events of their record, by position', () => {
  const { events, dead } = read('2026-11-22 10:00:00 ERROR a\r\n  at b\n\nünd c')
  assert.equal(dead.length, 0)
  assert.deepEqual(
    events.map(({ origin }) => origin),
    [0, 1, 2, 3].map(index => ({ stream: 'topic:events/3', offset: 41, index })),
  )
  assert.deepEqual(
    events.map(({ value }) => (value as LogLine).body),
    ['2026-11-22 10:00:00 ERROR a', '  at b', '', 'ünd c'],
  )
  assert.deepEqual(new Set(events.map(({ time }) => time)), new Set([Date.parse('2026-11-22T10:00:00Z')]))
  assert.equal(events[0]!.key, 'production/unknown')
  assert.equal((events[0]!.value as LogLine).severity, 17)
})

test('lines of a file are events at their byte offsets, and take their times from the lines around them', () => {
  const headers = {
    'ops-origin': 'file:a.log',
    'ops-offset': '100',
    'ops-reference-time': String(appendedAt),
    'ops-service': 'a',
    'ops-environment': 'lab',
  }
  const text = 'no time yet\nJun 14 15:16:01 é x\n\nno time\n'
  const { events } = read(text, headers)
  assert.deepEqual(
    events.map(({ origin }) => origin.offset - 100),
    [0, 12, 33, 34],
  )
  assert.ok(events.every(({ origin, key }) => origin.stream === 'file:a.log' && origin.index === 0 && key === 'lab/a'))
  assert.deepEqual(new Set(events.map(({ time }) => time)), new Set([Date.parse('2026-06-14T15:16:01Z')]))
  const later = read('still none\n', { ...headers, 'ops-previous-time': '1700000000000' })
  assert.equal(later.events[0]!.time, 1_700_000_000_000)
  assert.deepEqual(reasons(read('the beginning', { ...headers, 'ops-line-bytes': '5000000' })), ['too-large'])
  assert.equal(read('\n', { ...headers, 'content-type': 'text/plain' }).events.length, 1)
  assert.deepEqual(bodies(read(Buffer.from([0x61, 0xff, 0x0a]), { 'content-type': 'text/plain' })), ['a\ufffd'])
})

test('logs as JSON of many senders', () => {
  const f = (value: object, want: Partial<LogLine> & { time?: string }): void => {
    const { events, dead } = json(value)
    assert.deepEqual(dead, [])
    const { time, ...rest } = want
    const line = events[0]!.value as LogLine
    for (const [name, each] of Object.entries(rest)) assert.deepEqual(line[name as keyof LogLine], each, name)
    if (time) assert.equal(new Date(events[0]!.time).toISOString(), time)
  }
  const time = '2026-11-22T10:00:00.123Z'
  const ms = Date.parse(time)
  f({ message: 'm', level: 'warn', timestamp: time, service: 'a' }, { body: 'm', severity: 13, service: 'a', time })
  f({ msg: 'm', level: 50, time: ms, pid: 1, hostname: 'h' }, { body: 'm', severity: 17, service: 'h', time })
  f(
    { log: 'm\n', '@timestamp': ms / 1000, kubernetes: { container_name: 'c', pod_name: 'c-1' } },
    { body: 'm', service: 'c', time },
  )
  f({ log: 'm', kubernetes: { pod_name: 'checkout-7d9f8b6c5-x2x4z' } }, { service: 'checkout' })
  f(
    {
      '@timestamp': time,
      message: 'm',
      log: { level: 'error' },
      service: { name: 'b', environment: 'qa' },
      trace: { id: '01' },
    },
    { severity: 17, service: 'b', environment: 'qa', traceId: '01', time },
  )
  f({ short_message: 'm', level: 3, host: 'h', timestamp: ms / 1000 }, { severity: 17, service: 'h', time })
  f(
    { ts: ms * 1000, body: { a: [1] }, app: 'x', nested: { deep: { n: 1 }, none: null } },
    { body: '{"a":[1]}', service: 'x', attributes: { app: 'x', 'nested.deep.n': '1' }, time },
  )
  f(
    { time: ms * 1e6, msg: 'm', severity: 'CRITICAL', env: 'staging' },
    { severity: 18, environment: 'staging', time: '2026-11-22T10:00:00.123Z' },
  )
  f(
    { method: 'GET', status: 500 },
    { body: '{"method":"GET","status":500}', service: 'unknown', attributes: { method: 'GET', status: '500' } },
  )
  f(JSON.parse('{"message":"m","__proto__":{"polluted":"1"}}'), { body: 'm' })
  assert.deepEqual(bodies(json([{ msg: 'a' }, 7, { msg: 'b' }])), ['a', 'b'])
  assert.deepEqual(
    json([{ msg: 'a' }, 7, { msg: 'b' }]).dead.map(({ index }) => index),
    [1],
  )
  assert.deepEqual(bodies(read('{"msg":"a"}\n{"msg":"b"}\n')), ['a', 'b'])
  assert.equal(json({ msg: 'm' }).events[0]!.time, appendedAt)
})

test('what only looks like JSON is text', () => {
  assert.equal(
    bodies(read('[Sun Nov 22 04:47:44 2026] [error] mod_jk'))[0],
    '[Sun Nov 22 04:47:44 2026] [error] mod_jk',
  )
  assert.equal(bodies(read('{not json} at all'))[0], '{not json} at all')
  assert.equal(bodies(read('"quoted"'))[0], '"quoted"')
})

test('metrics as JSON: prometheus-kafka-adapter and others', () => {
  const f = (value: object, want: Partial<Sample>): void => {
    const { events, dead } = json(value)
    assert.deepEqual(dead, [])
    for (const [name, each] of Object.entries(want))
      assert.deepEqual((events[0]!.value as Sample)[name as keyof Sample], each, name)
  }
  const labels = { __name__: 'up', job: 'node', instance: 'a:1' }
  f(
    { timestamp: '2026-11-22T10:00:00Z', value: '1', name: 'up', labels },
    { metric: 'up', kind: 'gauge', value: 1, service: 'node', labels: { job: 'node', instance: 'a:1' } },
  )
  f(
    {
      timestamp: '2026-11-22T10:00:00Z',
      value: '5',
      name: 'http_count',
      labels: { ...labels, __name__: 'http_count' },
    },
    { kind: 'counter' },
  )
  f({ name: 'items_count', value: 5 }, { kind: 'gauge' })
  f(
    { metric: 'jobs_total', value: 5, service: 's', tags: ['a:b:c', 'd'], unit: 'By' },
    { kind: 'counter', service: 's', labels: { a: 'b:c', d: '' }, unit: 'By' },
  )
  f(
    { metric: 'x', value: 5, type: 'delta', labels: { env: 'lab', service: 's' } },
    { kind: 'delta', environment: 'lab', service: 's' },
  )
  for (const value of ['NaN', '+Inf', '-Inf']) assert.deepEqual(json({ name: 'x', value }).dropped, { 'no-value': 1 })
})

test('CSV: a file name as metric, a column for it, or a metric per column', () => {
  const samples = (text: string, headers: Record<string, string>) =>
    read(text, { 'content-type': 'text/csv', 'ops-historical': '1', ...headers }).events.map(
      ({ time, value, origin }) => {
        const { metric, value: number, labels } = value as Sample
        return [new Date(time).toISOString(), metric, number, labels, origin.index]
      },
    )
  assert.deepEqual(samples('2014-04-01 00:05:00,1.5\n', { 'ops-columns': 'timestamp,value', 'ops-metric': 'cpu' }), [
    ['2014-04-01T00:05:00.000Z', 'cpu', 1.5, {}, 0],
  ])
  assert.deepEqual(samples('a,2,1400000000,"x, ""y"""\n\n', { 'ops-columns': 'metric,value,time,host' }), [
    ['2014-05-13T16:53:20.000Z', 'a', 2, { host: 'x, "y"' }, 0],
  ])
  assert.deepEqual(
    samples('1400000000,1,,3\n', { 'ops-columns': 'time,a,b,c' }).map(([, metric, value]) => [metric, value]),
    [
      ['a', 1],
      ['c', 3],
    ],
  )
  const bad = read('x,1\n1400000000,y\n1400000000,1', {
    'content-type': 'text/csv',
    'ops-historical': '1',
    'ops-metric': 'm',
  })
  assert.deepEqual([bad.events.length, reasons(bad)], [1, ['wrong-type', 'wrong-type']])
})

const nanos = (time: string, rest = '000000'): string => `${Date.parse(time)}${rest}`

const logRequest = logsOf('checkout', [
  {
    timeUnixNano: nanos('2026-11-22T10:00:00.123Z', '456789'),
    severityNumber: 17,
    severityText: 'ERROR',
    body: { stringValue: 'card declined' },
    attributes: [
      attribute('a', 'b'),
      { key: 'n', value: { intValue: '-9007199254740993' } },
      {
        key: 'm',
        value: {
          kvlistValue: {
            values: [
              {
                key: 'k',
                value: { arrayValue: { values: [{ intValue: '1' }, { boolValue: true }, { doubleValue: 0.5 }, {}] } },
              },
            ],
          },
        },
      },
    ],
    traceId: '5b8efff798038103d269b633813fc60c',
    spanId: 'eee19b7ec3c1b174',
  },
  {
    observedTimeUnixNano: nanos('2026-11-22T10:00:01Z'),
    severityText: 'Warning',
    body: { kvlistValue: { values: [attribute('event', 'x')] } },
  },
  { body: { stringValue: 'INFO no time at all' }, traceId: '00000000000000000000000000000000' },
])

test('OTLP logs: JSON and protobuf give the same events', () => {
  const fromJson = json(logRequest)
  const fromProtobuf = read(encodeLogs(logRequest))
  assert.deepEqual(fromProtobuf, fromJson)
  assert.deepEqual(fromJson.dead, [])
  const [first, second, third] = fromJson.events
  assert.deepEqual(first, {
    key: 'production/checkout',
    time: Date.parse('2026-11-22T10:00:00.123Z'),
    origin: { stream: 'topic:events/3', offset: 41, index: 0 },
    value: {
      type: 'log',
      environment: 'production',
      service: 'checkout',
      severity: 17,
      body: 'card declined',
      attributes: { 'otel.scope.name': 'lib', a: 'b', n: '-9007199254740993', m: '{"k":[1,true,0.5,null]}' },
      traceId: '5b8efff798038103d269b633813fc60c',
      spanId: 'eee19b7ec3c1b174',
    },
  })
  assert.deepEqual(
    [second!.time, (second!.value as LogLine).severity, (second!.value as LogLine).body],
    [Date.parse('2026-11-22T10:00:01Z'), 13, '{"event":"x"}'],
  )
  assert.deepEqual(
    [third!.time, (third!.value as LogLine).severity, (third!.value as LogLine).traceId],
    [appendedAt, 9, undefined],
  )
})

test('OTLP written by hand, byte for byte, from the .proto files', () => {
  // ResourceLogs { scope_logs { log_records { time_unix_nano = 1, severity_number = 9, body { string_value } } } }
  const time = Buffer.alloc(8)
  time.writeBigUInt64LE(BigInt(nanos('2026-11-22T10:00:00.999Z', '999999')))
  const entry = `09${time.toString('hex')}10092a040a026869`
  const bytes = Buffer.from(`0a1512131211${entry}`, 'hex')
  assert.equal(bytes.length, 2 + bytes[1]!)
  const { events, dead } = read(bytes)
  assert.deepEqual(dead, [])
  assert.deepEqual(
    [events[0]!.time, (events[0]!.value as LogLine).body],
    [Date.parse('2026-11-22T10:00:00.999Z'), 'hi'],
  )
})

const at = { timeUnixNano: nanos('2026-11-22T10:00:00Z') }
const metricRequest = metricsOf('checkout', [
  {
    name: 'g',
    unit: '%',
    gauge: {
      dataPoints: [
        { ...at, asDouble: 1.5, attributes: [attribute('cpu', '0')] },
        { ...at, asInt: '-7' },
        { ...at, asInt: '0' },
      ],
    },
  },
  {
    name: 'c',
    unit: '1',
    sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [{ ...at, asInt: '9007199254740991' }] },
  },
  { name: 'd', sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: [{ ...at, asInt: '3' }] } },
  { name: 'u', sum: { aggregationTemporality: 2, dataPoints: [{ ...at, asInt: '3' }] } },
  {
    name: 'h',
    histogram: {
      aggregationTemporality: 2,
      dataPoints: [{ ...at, count: '6', sum: 12, bucketCounts: ['1', '2', '3'], explicitBounds: [1, 5] }],
    },
  },
  {
    name: 'e',
    exponentialHistogram: {
      aggregationTemporality: 1,
      dataPoints: [
        { ...at, count: '4', sum: 9, scale: 0, zeroCount: '1', positive: { offset: 0, bucketCounts: ['1', '2'] } },
      ],
    },
  },
  {
    name: 's',
    summary: {
      dataPoints: [
        {
          ...at,
          count: '2',
          sum: 3,
          quantileValues: [
            { quantile: 0.5, value: 1 },
            { quantile: 0.99, value: 2 },
          ],
        },
      ],
    },
  },
])

test('OTLP metrics: JSON and protobuf give the same events, each kind what it means', () => {
  const fromJson = json(metricRequest)
  assert.deepEqual(read(encodeMetrics(metricRequest)), fromJson)
  assert.deepEqual(fromJson.dead, [])
  const samples = fromJson.events.map(({ value }) => value as Sample)
  assert.deepEqual(
    samples.map(({ metric, kind, value }) => [metric, kind, value]),
    [
      ['g', 'gauge', 1.5],
      ['g', 'gauge', -7],
      ['g', 'gauge', 0],
      ['c', 'counter', Number.MAX_SAFE_INTEGER],
      ['d', 'delta', 3],
      ['u', 'gauge', 3],
      ['h', 'histogram', 12],
      ['e', 'histogram', 9],
      ['s', 'gauge', 1],
      ['s', 'gauge', 2],
      ['s_count', 'counter', 2],
      ['s_sum', 'counter', 3],
    ],
  )
  assert.deepEqual(samples[0]!.labels, { cpu: '0' })
  assert.deepEqual(samples[6]!.buckets, { bounds: [1, 5], counts: [1, 2, 3], cumulative: true })
  assert.deepEqual(samples[7]!.buckets, { bounds: [1, 2, 4], counts: [1, 1, 2, 0], cumulative: false })
  assert.deepEqual(samples[9]!.labels, { quantile: '0.99' })
  for (const { value } of fromJson.events) assert.deepEqual(Telemetry.parse(value), value)
})

test('a wrong entry of a request is dead by itself, at its place', () => {
  const metrics = metricsOf('a', [
    {
      name: 'g',
      gauge: {
        dataPoints: [
          { ...at, asDouble: 1 },
          { ...at, asDouble: {} },
          { ...at, flags: 1 },
          { ...at, asDouble: 'NaN' },
          { ...at, asDouble: 4 },
        ],
      },
    },
    { gauge: { dataPoints: [{ ...at, asDouble: 1 }] } },
    { name: 'h', histogram: { dataPoints: [{ ...at, bucketCounts: [1], explicitBounds: [1, 2] }] } },
  ])
  const decoded = json(metrics)
  assert.deepEqual(
    decoded.events.map(({ origin, value }) => [origin.index, (value as Sample).value]),
    [
      [0, 1],
      [4, 4],
    ],
  )
  assert.deepEqual(
    decoded.dead.map(({ index, reason }) => [index, reason]),
    [
      [1, 'wrong-type'],
      [5, 'wrong-type'],
      [6, 'wrong-type'],
    ],
  )
  assert.deepEqual(decoded.dropped, { 'no-value': 2 })

  const good = encodeLogs(logRequest)
  const spoilt = Buffer.from(good)
  // The first log record's body says it is longer than the record is.
  const body = spoilt.indexOf('card declined')
  spoilt[body - 1] = 0x7f
  const after = read(spoilt)
  assert.deepEqual(
    after.dead.map(({ index, reason }) => [index, reason]),
    [[0, 'truncated-protobuf']],
  )
  assert.deepEqual(after.events, read(good).events.slice(1))
})

test('a protobuf request cut anywhere is dead or text, and gives no event of its own', () => {
  for (const whole of [encodeLogs(logRequest), encodeMetrics(metricRequest)])
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.subarray(0, length)
      const labelled = read(cut, { 'content-type': 'application/x-protobuf' })
      assert.deepEqual(
        [labelled.events.length, reasons(labelled)],
        [0, [length === 0 ? 'empty' : 'truncated-protobuf']],
      )
      const sniffed = read(cut)
      if (length > 3) assert.deepEqual([sniffed.events.length, reasons(sniffed)], [0, ['truncated-protobuf']])
    }
})

test('requests written behind each other are one request', () => {
  const whole = Buffer.concat([
    encodeLogs(logsOf('a', [{ body: { stringValue: 'one' } }])),
    encodeLogs(logsOf('b', [{ body: { stringValue: 'two' } }])),
  ])
  assert.deepEqual(bodies(read(whole)), ['one', 'two'])
})

test('a place is told by attributes, the best first', () => {
  const place = (attributes: object[], headers = {}): string => {
    const request = {
      resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' } }] }] }],
    }
    return decode(recordOf(JSON.stringify(request), headers), {
      ...defaultContext,
      canonicalService: name => (name === 'old' ? 'new' : name),
    }).events[0]!.key
  }
  const a = attribute
  assert.equal(place([a('service.name', 'a'), a('k8s.deployment.name', 'b')]), 'production/a')
  assert.equal(place([a('service.name', 'a'), a('service.namespace', 'shop')]), 'production/shop/a')
  assert.equal(place([a('service.name', 'unknown_service:node'), a('k8s.deployment.name', 'b')]), 'production/b')
  assert.equal(place([a('service.name', 'unknown_service:node')]), 'production/unknown_service:node')
  assert.equal(place([a('k8s.pod.name', 'cart-5c9d8b7f64-abcde')]), 'production/cart-5c9d8b7f64-abcde')
  assert.equal(place([a('k8s.pod.name', 'cart-5c9d8b7f64-xk2vz')]), 'production/cart')
  assert.equal(place([a('k8s.pod.name', 'node-agent-xk2vz')]), 'production/node-agent')
  assert.equal(place([a('host.name', 'h'), a('job', 'j')]), 'production/h')
  assert.equal(place([a('host.name', 'h')], { 'ops-service': 'given' }), 'production/given')
  assert.equal(place([a('job', 'j'), a('deployment.environment', 'qa')]), 'qa/j')
  assert.equal(place([a('deployment.environment.name', 'x/y')]), 'x%2Fy/unknown')
  assert.equal(place([a('service.name', 'old')]), 'production/new')
})

test('two instances of a service are two series', () => {
  const labels = (...attributes: object[]) => {
    const resource = { attributes: [attribute('service.name', 'a'), ...attributes] }
    const metrics = [{ name: 'g', gauge: { dataPoints: [{ asInt: 1 }] } }]
    const scopeMetrics = [{ scope: { name: 'http' }, metrics }]
    return (json({ resourceMetrics: [{ resource, scopeMetrics }] }).events[0]!.value as Sample).labels
  }
  const pid = { key: 'process.pid', value: { intValue: 7 } }
  assert.deepEqual(labels(attribute('service.instance.id', 'i'), pid), {
    'service.instance.id': 'i',
    'otel.scope.name': 'http',
  })
  assert.deepEqual(labels(attribute('host.name', 'h'), pid), {
    'host.name': 'h',
    'process.pid': '7',
    'otel.scope.name': 'http',
  })
})

test('logs, metrics and spans are told apart by their structure, whatever the topic is called', () => {
  assert.equal((read(encodeLogs(logRequest), {}, 'metrics').events[0]!.value as LogLine).type, 'log')
  assert.equal((read(encodeMetrics(metricRequest), {}, 'logs').events[0]!.value as Sample).type, 'sample')
  // ResourceSpans { scope_spans { spans { trace_id, span_id, name, kind, start, end } } }
  const span = `0a04${'01020304'}12020102${'2a0178'}3001${'39'}${'00'.repeat(8)}${'41'}${'00'.repeat(8)}`
  const two = (n: number): string => n.toString(16).padStart(2, '0')
  const size = span.length / 2
  const spans = Buffer.from(`0a${two(size + 4)}12${two(size + 2)}12${two(size)}${span}`, 'hex')
  assert.deepEqual(reasons(read(spans)), ['unsupported'])
})

test('text that begins like OTLP is text', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('\n', '\n\n', ' ', '2', '{', 'a', 'x: y', '\t'), { minLength: 1, maxLength: 40 }),
      pieces => {
        const text = `\n${pieces.join('')}`
        const decoded = read(text)
        assert.ok(reasons(decoded).every(reason => reason === 'empty' || reason === 'invalid-json'))
        if (text.trim() !== '' && decoded.dead.length === 0)
          assert.equal(bodies(decoded).join('\n'), text.replace(/\n$/, ''))
      },
    ),
    { seed: 3, numRuns: 2_000 },
  )
})

test('JSON of any shape is events or dead, and its values fit the schema', () => {
  const keys = fc.constantFrom(
    'resourceLogs',
    'scopeLogs',
    'logRecords',
    'resourceMetrics',
    'scopeMetrics',
    'metrics',
    'name',
    'value',
    'message',
    'time',
    'level',
    'labels',
    'attributes',
    'resource',
    'body',
    'gauge',
    'sum',
    'histogram',
    'exponentialHistogram',
    'summary',
    'dataPoints',
    'asInt',
    'timeUnixNano',
    'scale',
    'positive',
    'bucketCounts',
    'stringValue',
    'key',
    'service',
    '__proto__',
  )
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { depthSize: 'medium' },
      fc.constantFrom(null, 0, 1, -1, 1e30, '', 'x', '12', true),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(keys, tie('value'), { maxKeys: 4 }),
    ),
  }))
  fc.assert(
    fc.property(value, each => {
      const decoded = json(each)
      const dropped = Object.values(decoded.dropped).reduce((a, b) => a + b, 0)
      assert.ok(decoded.events.length + decoded.dead.length + dropped > 0)
      for (const { detail } of decoded.dead) assert.ok(!detail.startsWith('internal error'), detail)
      for (const event of decoded.events) {
        Telemetry.parse(event.value)
        assert.ok(Number.isFinite(event.time))
      }
    }),
    { seed: 4, numRuns: 5_000 },
  )
})

test('JSON nested to the end of the stack is read', () => {
  const deep = `{"message":"m","a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`
  assert.deepEqual(bodies(read(deep)), ['m'])
})

test('100,000 random records end as events or dead, each with a reason of the list', () => {
  // Mulberry32: small, seeded.
  let seed = 20261122
  const random = (): number => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const seeds = [
    encodeLogs(logRequest),
    encodeMetrics(metricRequest),
    Buffer.from(JSON.stringify(logRequest)),
    Buffer.from('2026-11-22 10:00:00 INFO a line\nand another'),
    Buffer.alloc(0),
  ]
  const types = [
    undefined,
    undefined,
    'application/x-protobuf',
    'application/json',
    'text/plain',
    'text/csv',
    'application/x-ndjson',
  ]
  const seen = new Map<string, number>()
  for (let i = 0; i < 100_000; i++) {
    const from = seeds[i % seeds.length]!
    // Half are noise, half are real records with some bytes changed.
    const bytes = from.length === 0 || i % 2 === 0 ? Buffer.alloc(1 + Math.floor(random() * 64)) : Buffer.from(from)
    if (i % 2 === 0 || from.length === 0) for (let at = 0; at < bytes.length; at++) bytes[at] = random() * 256
    else for (let n = 1 + random() * 4; n > 0; n--) bytes[Math.floor(random() * bytes.length)] = random() * 256
    const type = types[Math.floor(random() * types.length)]
    const decoded = read(bytes, type ? { 'content-type': type } : {})
    const dropped = Object.values(decoded.dropped).reduce((a, b) => a + b, 0)
    assert.ok(decoded.events.length + decoded.dead.length + dropped > 0, bytes.toString('hex'))
    for (const { reason, detail } of decoded.dead) {
      assert.ok(reason in deadReasons)
      assert.ok(!detail.startsWith('internal error'), `${detail}: ${bytes.toString('hex')}`)
      seen.set(reason, (seen.get(reason) ?? 0) + 1)
    }
    for (const { time } of decoded.events) assert.ok(Number.isFinite(time))
    if (decoded.events.length > 0) seen.set('events', (seen.get('events') ?? 0) + 1)
  }
  for (const each of ['events', 'truncated-protobuf', 'undecodable', 'invalid-json'])
    assert.ok((seen.get(each) ?? 0) > 100, each)
})
