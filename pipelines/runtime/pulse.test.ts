import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../test/run-simulation.ts'
import type { Batch, Log, Reader, Subscription } from '../sources/log.ts'
import { Pulse } from './pulse.ts'

/** A log that gives what subscribes to it into the test's hands. */
function watched(reader: Partial<Reader>) {
  const clock = new ManualClock()
  const pulse = new Pulse(clock)
  let handed: Reader | undefined
  const subscription: Subscription = { done: Promise.resolve(), commit: async () => {}, close: async () => {} }
  const log = {
    async subscribe(_options: unknown, reader: Reader) {
      handed = reader
      return subscription
    },
  } as unknown as Log
  const idle: Reader = { assigned: async () => 7, batch: async () => {}, idle: async () => {}, revoked: async () => {} }
  const options = { group: 'g', topics: ['t'], start: 'earliest', idleEvery: 1_000 } as const
  const subscribed = pulse.watch(log).subscribe(options, { ...idle, ...reader })
  return { clock, pulse, reader: async () => (await subscribed) && handed! }
}

const batch = { topic: 't', partition: 3 } as Batch
const stuck = (silent: number) => [{ group: 'g', topic: 't', partition: 3, silent }]

test('a partition whose reader finishes batches or is told that there are none is not stuck', async () => {
  const { clock, pulse, reader } = watched({})
  const handed = await reader()
  assert.equal(await handed.assigned('t', 3), 7)
  for (const call of [() => handed.batch(batch), () => handed.idle('t', 3)]) {
    clock.advance(1_000)
    assert.deepEqual(pulse.stuckFor(1_000), [])
    await call()
  }
  clock.advance(1_001)
  assert.deepEqual(pulse.stuckFor(1_000), stuck(1_001))
  await handed.revoked('t', 3)
  assert.deepEqual(pulse.stuckFor(1_000), [])
})

for (const call of ['assigned', 'batch', 'idle', 'revoked'] as const)
  test(`one that hangs in '${call}' is stuck`, async () => {
    const { clock, pulse, reader } = watched({ [call]: () => new Promise<never>(() => undefined) })
    const handed = await reader()
    const assigned = handed.assigned('t', 3)
    if (call !== 'assigned') {
      await assigned
      clock.advance(1_000)
      void (call === 'batch' ? handed.batch(batch) : handed[call]('t', 3))
    }
    await Promise.resolve()
    const since = clock.now() - 1_000_000
    clock.advance(5_000)
    assert.deepEqual(pulse.stuckFor(4_999), stuck(since + 5_000))
  })
