import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur2, Placement, partitionOf } from './placement.ts'

test('murmur2 gives what Kafka’s own test expects of it', () => {
  // org.apache.kafka.common.utils.UtilsTest.testMurmur2
  const f = (given: string, want: number) => assert.equal(murmur2(Buffer.from(given)), want)
  f('21', -973932308)
  f('foobar', -790332482)
  f('a-little-bit-long-string', -985981536)
  f('a-little-bit-longer-string', -1486304829)
  f('lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971)
  f('abc', 479470107)
})

test('a key has one partition; partitionKey goes before it; a given partition before both', () => {
  const placement = new Placement()
  const record = { topic: 't', value: null }
  const place = (more: object) => placement.place({ ...record, key: 'a', ...more }, 7)
  assert.equal(place({}), partitionOf('a', 7))
  assert.equal(place({ partitionKey: 'b' }), partitionOf('b', 7))
  assert.equal(place({ partitionKey: 'b', partition: 3 }), 3)
  assert.throws(() => place({ partition: 7 }), /topic 't' has no partition 7: it has 7/)
  assert.throws(() => place({ partition: -1 }), RangeError)
})

test('records without a key take turns, topic by topic', () => {
  const placement = new Placement()
  const place = (topic: string) => placement.place({ topic, key: null, value: null }, 3)
  assert.deepEqual(['a', 'a', 'b', 'a', 'a', 'b'].map(place), [0, 1, 0, 2, 0, 1])
})
