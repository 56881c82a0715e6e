import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { LogLine } from '../../operators/signal.ts'
import { SinkError } from '../../sinks/store.ts'
import { CollectingLog } from '../../test/collecting-log.ts'
import { encodeLogs, encodeMetrics, logsOf, metricsOf } from '../../test/otlp-messages.ts'
import { decode } from '../decode/decode.ts'
import { defaultContext } from '../decode/decoded.ts'
import { otlp } from '../decode/otlp-schema.ts'
import { type OtlpReceiverOptions, otlpReceiver } from './otlp-http.ts'
import { splitJsonRequest, splitProtobufRequest } from './otlp-split.ts'

const now = Date.parse('2026-11-22T12:00:00Z')
const json = 'application/json'
const protobuf = 'application/x-protobuf'
const logs = logsOf('checkout', [{ severityNumber: 9, body: { stringValue: 'hello' } }])
const metrics = metricsOf('checkout', [{ name: 'g', gauge: { dataPoints: [{ asInt: '1' }] } }])

type Post = (path: string, body: string | Buffer, headers?: Record<string, string>) => Promise<Response>

async function receiving(
  body: (post: Post, target: CollectingLog, address: string) => Promise<void>,
  more: Partial<OtlpReceiverOptions> = {},
): Promise<void> {
  const target = new CollectingLog(now)
  const topics = { logs: 'telemetry.logs', metrics: 'telemetry.metrics' }
  const receiver = otlpReceiver({ log: target.log, topics, port: 0, ...more })
  const address = await receiver.listen()
  try {
    assert.equal(receiver.address, address)
    await body(
      (path, content, headers = {}) =>
        fetch(address + path, { method: 'POST', body: new Uint8Array(Buffer.from(content as string)), headers }),
      target,
      address,
    )
  } finally {
    await receiver.close()
  }
}

test('a request is in the log, as it came, before it is answered in its own encoding', () =>
  receiving(async (post, target) => {
    const cases = [
      ['/v1/logs', JSON.stringify(logs), json, '{}'],
      ['/v1/metrics', JSON.stringify(metrics), json, '{}'],
      ['/v1/logs', encodeLogs(logs), protobuf, ''],
      ['/v1/metrics', encodeMetrics(metrics), protobuf, ''],
    ] as const
    for (const [path, body, type, answer] of cases)
      for (const packed of [false, true]) {
        const headers = { 'content-type': type, ...(packed ? { 'content-encoding': 'gzip' } : {}) }
        const response = await post(path, packed ? gzipSync(body) : body, headers)
        assert.deepEqual(
          [response.status, response.headers.get('content-type'), await response.text()],
          [200, type, answer],
        )
        const record = target.records.at(-1)!
        assert.deepEqual(
          [record.topic, record.key, record.headers],
          [`telemetry.${path.slice(4)}`, null, { 'content-type': type }],
        )
        assert.deepEqual(record.value, Buffer.from(body as string))
        assert.equal(decode(record, defaultContext).events[0]!.key, 'production/checkout')
      }
    assert.equal(target.records.length, 8)
  }))

test('an empty request is taken and leaves nothing', () =>
  receiving(async (post, target) => {
    assert.equal((await post('/v1/logs', '{}', { 'content-type': json })).status, 200)
    assert.equal(
      (await post('/v1/logs', '{"resourceLogs":[]}', { 'content-type': `${json}; charset=utf-8` })).status,
      200,
    )
    assert.equal((await post('/v1/logs', '', { 'content-type': protobuf })).status, 200)
    assert.equal(target.records.length, 0)
  }))

test('what is not taken is answered with its status and one sentence', () =>
  receiving(
    async (post, target, address) => {
      const f = async (
        status: number,
        words: RegExp,
        path: string,
        body: string | Buffer,
        headers: Record<string, string>,
      ) => {
        const response = await post(path, body, headers)
        const message = ((await response.json()) as { message: string }).message
        assert.equal(response.status, status, message)
        assert.match(message, words)
      }
      await f(400, /no JSON/, '/v1/logs', '{', { 'content-type': json })
      await f(400, /no list 'resourceLogs'; send OTLP logs/, '/v1/logs', '{"resourceLogs":1}', { 'content-type': json })
      await f(400, /no list 'resourceLogs'/, '/v1/logs', '[]', { 'content-type': json })
      await f(400, /no gzip/, '/v1/logs', '{}', { 'content-type': json, 'content-encoding': 'gzip' })
      await f(415, /'text\/plain': not taken; send application\/x-protobuf/, '/v1/logs', 'x', {
        'content-type': 'text/plain',
      })
      await f(415, /'br': not taken/, '/v1/logs', '{}', { 'content-type': json, 'content-encoding': 'br' })
      await f(413, /too large|larger than/, '/v1/logs', 'x'.repeat(5_000), { 'content-type': json })
      await f(413, /larger than 4096 bytes/, '/v1/logs', gzipSync('x'.repeat(5_000)), {
        'content-type': json,
        'content-encoding': 'gzip',
      })
      await f(404, /post to \/v1\/logs or \/v1\/metrics/, '/v1/spans', '{}', { 'content-type': json })
      assert.equal((await fetch(`${address}/v1/logs`)).status, 404)
      for (const body of [encodeMetrics(metrics), encodeLogs(logs).subarray(0, -1), 'text']) {
        const response = await post('/v1/logs', body, { 'content-type': protobuf })
        assert.deepEqual([response.status, response.headers.get('content-type')], [400, protobuf])
        const status = otlp.Status.toObject(otlp.Status.decode(Buffer.from(await response.arrayBuffer())))
        assert.equal(status.code, 3)
        assert.match(String(status.message), /send OTLP logs/)
      }
      assert.equal(target.records.length, 0)
    },
    { maxBodyBytes: 4_096 },
  ))

test('a log that cannot be written now is 503 with Retry-After, one that takes no such record is 400, a wrong one 500', () =>
  receiving(async (post, target) => {
    target.fail = new SinkError('log', 'unreachable', 'gone')
    const response = await post('/v1/logs', JSON.stringify(logs), { 'content-type': json })
    assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '5'])
    for (const [reason, status] of [
      ['rejected', 400],
      ['misconfigured', 500],
    ] as const) {
      target.fail = new SinkError('log', reason, 'no')
      assert.equal((await post('/v1/logs', JSON.stringify(logs), { 'content-type': json })).status, status)
    }
    target.fail = undefined
    assert.equal((await post('/v1/logs', JSON.stringify(logs), { 'content-type': json })).status, 200)
  }))

test('a request above the limit of a record becomes several', () =>
  receiving(async (post, target) => {
    const many = logsOf(
      'checkout',
      Array.from({ length: 3_000 }, (_, i) => ({ body: { stringValue: `${i} ${'x'.repeat(900)}` } })),
    )
    for (const [body, type] of [
      [JSON.stringify(many), json],
      [encodeLogs(many), protobuf],
    ] as const) {
      target.records.length = 0
      assert.equal((await post('/v1/logs', body, { 'content-type': type })).status, 200)
      assert.ok(target.records.length >= 3 && target.records.length <= 5)
      assert.ok(target.records.every(({ value }) => value!.length <= 900_000))
      const bodies = target.records.flatMap(record =>
        decode(record, defaultContext).events.map(({ value }) => (value as LogLine).body),
      )
      assert.deepEqual(
        bodies.map(each => Number.parseInt(each, 10)),
        Array.from({ length: 3_000 }, (_, i) => i),
      )
    }
  }))

test('a request split at any size says the same', () => {
  const scope = fc.record({
    scope: fc.record({ name: fc.string() }),
    logRecords: fc.array(fc.record({ body: fc.record({ stringValue: fc.string({ maxLength: 40 }) }) }), {
      maxLength: 6,
    }),
  })
  const resource = fc.record({
    resource: fc.record({
      attributes: fc.array(
        fc.record({ key: fc.constant('service.name'), value: fc.record({ stringValue: fc.string({ minLength: 1 }) }) }),
        { maxLength: 1 },
      ),
    }),
    scopeLogs: fc.array(scope, { maxLength: 4 }),
  })
  const requests = fc.record({ resourceLogs: fc.array(resource, { maxLength: 4 }) }, { noNullPrototype: true })
  const read = (values: Buffer[], type: string) =>
    values.flatMap(value =>
      decode(
        { topic: 't', partition: 0, offset: 0, appendedAt: now, key: null, value, headers: { 'content-type': type } },
        defaultContext,
      ).events.map(event => event.value),
    )
  fc.assert(
    fc.property(requests, fc.integer({ min: 1, max: 600 }), (request, limit) => {
      const whole = encodeLogs(request)
      const parts = splitProtobufRequest(whole, limit)
      assert.deepEqual(read(parts, protobuf), read([whole], protobuf))
      const text = Buffer.from(JSON.stringify(request))
      const pieces = splitJsonRequest(request, text, 'logs', limit)
      assert.deepEqual(read(pieces, json), read([text], json))
      // Only what holds a single entry may be larger.
      for (const part of parts) assert.ok(part.length <= limit || read([part], protobuf).length <= 1)
      for (const piece of pieces) assert.ok(piece.length <= limit || read([piece], json).length <= 1)
    }),
    { seed: 8, numRuns: 300 },
  )
})
