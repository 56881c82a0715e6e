import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toAppendError } from './kafka-errors.ts'

const f = (error: Error, reason: string, message: RegExp): void => {
  const failure = toAppendError(error, 'k:9092', "topic 't', 5 bytes")
  assert.equal(failure.reason, reason)
  assert.match(failure.message, message)
  assert.equal(failure.cause, error)
}

test('only what the brokers say of the records gives them up', () => {
  const said = (type: string) =>
    Object.assign(new Error(type), { name: 'KafkaJSProtocolError', type, retriable: false })
  f(said('MESSAGE_TOO_LARGE'), 'rejected', /^kafka k:9092: rejected: topic 't', 5 bytes: a record is larger/)
  f(said('TOPIC_AUTHORIZATION_FAILED'), 'misconfigured', /grant it/)
  f(said('UNKNOWN'), 'unreachable', /^kafka k:9092: unreachable: topic 't', 5 bytes: UNKNOWN$/)
  f(new TypeError("reading 'leader'"), 'unreachable', /5 bytes: reading 'leader'$/)
})
