import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeLogs, encodeMetrics, logsOf, metricsOf } from '../../test/otlp-messages.ts'
import { type Shape, shapeOf } from './protobuf.ts'

test('the shape of a request is told by its structure', () => {
  const f = (hex: string, shape: Shape, hint?: string): void =>
    assert.equal(shapeOf(Buffer.from(hex, 'hex'), hint), shape, hex)
  f('', 'empty')
  // A resource, and no entry; the same with a field of a later version inside.
  f('0a020a00', 'empty')
  f('0a0c1a0a61616161616161616161', 'empty')
  // Ends inside the tag's length, inside the resource, between both.
  f('0a', 'truncated')
  f('0a80', 'truncated')
  f('0a050a00', 'truncated')
  f('0a050a04', 'truncated')
  // An inner field that is longer than what is around it; a field a request does not have; a wrong wire type; field 0.
  f('0a020a05', 'none')
  f('0a001200', 'none')
  f('0801', 'none')
  f('0a020800', 'none')
  f('0a020200', 'none')
  f('0affffffffffffffffffff01', 'none')
  // An entry without anything in it is what the topic is called after.
  f('0a0412021200', 'logs', 'otlp_logs')
  f('0a0412021200', 'metrics', 'otlp_metrics')
  f('0a0412021200', 'spans', 'otlp_spans')
  f('0a0412021200', 'empty')
})

test('a request is what most of its entries are, and entries of few fields are told too', () => {
  const f = (bytes: Buffer, shape: Shape): void => assert.equal(shapeOf(bytes), shape)
  f(encodeLogs(logsOf('a', [{ body: { stringValue: 'x' } }])), 'logs')
  f(encodeLogs(logsOf('a', [{ severityText: 'INFO' }])), 'logs')
  f(encodeMetrics(metricsOf('a', [{ name: 'm', description: 'd', gauge: { dataPoints: [{ asInt: 1 }] } }])), 'metrics')
  f(encodeMetrics(metricsOf('a', [{ name: 'm' }])), 'metrics')
  const spoilt = encodeLogs(logsOf('a', [{ severityNumber: 9 }, { severityNumber: 9 }, { severityNumber: 9 }]))
  // The first entry's only field gets another wire type.
  spoilt[spoilt.indexOf(Buffer.from('1009', 'hex'))] = 0x0a
  f(spoilt, 'logs')
})
