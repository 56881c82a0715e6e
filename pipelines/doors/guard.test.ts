import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { SinkError } from '../../sinks/store.ts'
import { Guard, type GuardOptions, NotCalled } from './guard.ts'

const unreachable = () => new SinkError('store s', 'unreachable', 'connection refused')
const fails = async (): Promise<never> => {
  throw unreachable()
}

/** A guard whose dice show the most, so that every pause is as long as it may be. */
function guardOf(options: Partial<GuardOptions> = {}): Guard {
  const clock = { now: () => Date.now(), sleep: async () => {} }
  return new Guard({
    ...{ name: 'store', address: 's', timeout: 1_000, concurrent: 2, waiting: 1, failures: 3 },
    ...{ pause: 100, longestPause: 400, clock, random: () => 0.999_999 },
    ...options,
  })
}

/** With time that only the test moves. */
async function timeless(work: (pass: (ms: number) => Promise<void>) => Promise<void>): Promise<void> {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  try {
    await work(async ms => {
      mock.timers.tick(ms)
      for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    })
  } finally {
    mock.timers.reset()
  }
}

async function failed(guard: Guard, times: number): Promise<void> {
  for (let time = 0; time < times; time++) await assert.rejects(guard.run(fails), /connection refused/)
}

test('after failures in a row the breaker opens: an answer at once, retryable, and nothing is called', () =>
  timeless(async () => {
    const guard = guardOf()
    await failed(guard, 3)
    assert.equal(guard.state.breaker, 'open')
    let called = false
    const call = async () => {
      called = true
    }
    await assert.rejects(guard.run(call), error => {
      assert.ok(error instanceof NotCalled && error.retryable)
      assert.equal(
        error.message,
        'store s: unreachable: left alone for a moment: store s: unreachable: connection refused',
      )
      return true
    })
    assert.equal(called, false)
    assert.deepEqual(Object.fromEntries(guard.calls), { unreachable: 3, shut: 1 })
  }))

test('after its pause one call is let through: a failure shuts it for longer, a success opens it', () =>
  timeless(async pass => {
    const guard = guardOf()
    const began = Date.now()
    await failed(guard, 3)
    await pass(99)
    await assert.rejects(guard.run(fails), NotCalled)
    await pass(1)
    await failed(guard, 1)
    assert.equal(guard.state.breaker, 'open')
    await pass(199)
    await assert.rejects(guard.run(fails), NotCalled)
    await pass(1)
    assert.equal(await guard.run(async () => 'well'), 'well')
    assert.deepEqual(guard.state, { breaker: 'closed', answeredAt: began + 300 })
  }))

test('pauses grow no longer than the longest', () =>
  timeless(async pass => {
    const guard = guardOf()
    await failed(guard, 3)
    for (let time = 0; time < 10; time++) {
      await pass(400)
      await failed(guard, 1)
    }
    await pass(400)
    await guard.run(async () => undefined)
  }))

test('what is refused is an answer: it opens no breaker, and a call that goes well ends a row of failures', async () => {
  const guard = guardOf()
  const refused = async () => {
    throw new SinkError('store s', 'rejected', 'no such column')
  }
  for (let time = 0; time < 10; time++) await assert.rejects(guard.run(refused), /no such column/)
  assert.equal(guard.state.breaker, 'closed')
  assert.equal(guard.state.since, undefined)
  await failed(guard, 2)
  await guard.run(async () => undefined)
  await failed(guard, 2)
  assert.equal(guard.state.breaker, 'closed')
})

test('a call that does not answer is given up and keeps its place until it ends', () =>
  timeless(async pass => {
    const guard = guardOf({ failures: 100 })
    const answered = Promise.withResolvers<void>()
    let made = 0
    const call = () => {
      made++
      return answered.promise
    }
    const calls = [1, 2, 3].map(() => assert.rejects(guard.run(call), /store s: unreachable: no answer in 1 s/))
    await pass(1_000)
    await Promise.all(calls)
    assert.equal(guard.state.why, 'no answer in 1 s')
    await assert.rejects(guard.run(call), /overloaded: 2 calls are under way and 1 wait/)
    answered.resolve()
    await pass(0)
    await guard.run(call)
    assert.equal(made, 3, 'the one that was given up while it waited is never made')
    assert.deepEqual(Object.fromEntries(guard.calls), { late: 3, full: 1, ok: 1 })
  }))

test('a call about what is still under way is that call', () =>
  timeless(async pass => {
    const guard = guardOf()
    const rows = [{}]
    const written = Promise.withResolvers<string>()
    let calls = 0
    const write = () => {
      calls++
      return written.promise
    }
    const first = assert.rejects(guard.run(write, { about: rows }), /no answer/)
    await pass(1_000)
    await first
    const second = guard.run(write, { about: rows })
    written.resolve('written')
    assert.equal(await second, 'written')
    assert.equal(calls, 1)
    await guard.run(write, { about: rows })
    assert.equal(calls, 2)
  }))

test('only what may be repeated is, a few times, and not what is left alone', () =>
  timeless(async pass => {
    const guard = guardOf({ failures: 100 })
    let calls = 0
    const call = () => {
      calls++
      return fails()
    }
    const repeated = assert.rejects(guard.run(call, { repeat: true }), /connection refused/)
    for (let time = 0; time < 5; time++) await pass(400)
    await repeated
    assert.deepEqual({ calls, retries: guard.retries }, { calls: 3, retries: 2 })
    await assert.rejects(guard.run(call), /connection refused/)
    assert.equal(calls, 4)
  }))

test('a guard can be told which answers are as bad as none', async () => {
  const guard = guardOf({ isBad: answer => answer === 503 })
  for (let time = 0; time < 3; time++) assert.equal(await guard.run(async () => 503), 503)
  assert.equal(guard.state.breaker, 'open')
  assert.equal(guard.state.why, 'a bad answer')
})
