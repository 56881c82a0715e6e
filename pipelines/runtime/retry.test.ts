import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Reason, SinkError } from '../../sinks/store.ts'
import { recordingLogger } from '../../test/kit/log.ts'
import { Patience } from './retry.ts'

/** Patience with time that passes only while it waits. */
function patience({ random = 0.5 } = {}) {
  const stop = new AbortController()
  const logger = recordingLogger()
  const pauses: number[] = []
  let now = 0
  const clock = {
    now: () => now,
    async sleep(ms: number) {
      pauses.push(ms)
      now += ms
    },
  }
  const retried: string[] = []
  const made = new Patience({
    ...{ clock, logger, signal: stop.signal, random: () => random, longest: 4_000 },
    onRetry: door => retried.push(door),
  })
  return { made, pauses, retried, stop, said: () => logger.lines.map(({ level, message }) => `${level} ${message}`) }
}

const failing = (times: number, reason: Reason = 'unreachable') => {
  let left = times
  return async () => {
    if (left-- > 0) throw new SinkError('store s', reason, `it is ${reason}`)
    return 'written'
  }
}

test('it waits as long as it takes, longer each time but no longer than the longest', async () => {
  const { made, pauses, retried } = patience()
  assert.equal(await made.retry('store', failing(9)), 'written')
  assert.deepEqual(pauses, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000])
  assert.equal(retried.length, 9)
})

test('however many wait for a door, one line says that it is shut and one that it is open', async () => {
  const { made, said } = patience()
  await Promise.all([3, 1, 5].map(times => made.retry('store', failing(times))))
  assert.deepEqual(said(), ['warn store s: unreachable: it is unreachable; waiting for it', 'info store: works again'])
  assert.equal(made.troubles.size, 0)
})

test('a change of the kind of trouble is another line', async () => {
  const { made, said } = patience()
  const reasons: Reason[] = ['unreachable', 'unreachable', 'misconfigured', 'misconfigured']
  await made.retry('store', async () => {
    const reason = reasons.shift()
    if (reason) throw new SinkError('store s', reason, 'no')
  })
  assert.deepEqual(said(), [
    'warn store s: unreachable: no; waiting for it',
    'warn store s: misconfigured: no; waiting for it',
    'info store: works again',
  ])
})

test('what is waited for can be asked', async () => {
  const { made } = patience()
  const seen: unknown[] = []
  const fail = failing(2, 'overloaded')
  await made.retry('log', async () => {
    seen.push(made.troubles.get('log'))
    return fail()
  })
  const trouble = { reason: 'overloaded', why: 'store s: overloaded: it is overloaded', since: 0 }
  assert.deepEqual(seen, [undefined, trouble, trouble])
})

test('what no waiting can help is thrown at once', async () => {
  const { made, pauses, said } = patience()
  await assert.rejects(made.retry('store', failing(1, 'rejected')), /it is rejected/)
  const mistake = new TypeError('mistake')
  await assert.rejects(
    made.retry('store', () => Promise.reject(mistake)),
    mistake,
  )
  assert.deepEqual([pauses, said()], [[], []])
})

test('the signal ends the waiting with the last failure', async () => {
  const { made, stop, said } = patience()
  let tries = 0
  await assert.rejects(
    made.retry('store', async () => {
      if (++tries === 3) stop.abort()
      throw new SinkError('store s', 'unreachable', `try ${tries}`)
    }),
    /try 3/,
  )
  assert.equal(said().length, 1)
})
