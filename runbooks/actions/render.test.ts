import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, test } from 'node:test'
import { ManualClock } from '../../test/run-simulation.ts'
import { type Act, type ActionContext, NothingDone } from './action.ts'
import { RenderStep, render } from './render.ts'
import type { RenderOptions } from './render-api.ts'

const apiKey = 'rnd_canaryKEY0123456789'
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** Render's API over one service, with its documented answers. `on` may answer a request otherwise. */
async function serve(on: (request: string, response: ServerResponse) => boolean = () => false) {
  const calls: string[] = []
  const service = {
    id: 'srv-1',
    name: 'checkout',
    type: 'web_service',
    suspended: 'not_suspended',
    serviceDetails: { numInstances: 1, autoscaling: null as null | object },
  }
  const state = { service, generation: 1, running: 1, slow: 0, stuck: false }
  const setSuspended = (suspended: string): [number] => {
    service.suspended = suspended
    return [202]
  }
  const instances = () =>
    Array.from({ length: state.running }, (_, index) => ({
      id: `srv-1-${state.generation}${index}`,
      createdAt: '2026-11-22T12:00:00Z',
    }))
  const answers: Record<string, (body: { numInstances?: number }) => [number, unknown?]> = {
    'GET /services/srv-1': () => [200, service],
    'GET /services/srv-1/instances': () => {
      if (!state.stuck && state.slow-- === 0) state.running = service.serviceDetails.numInstances
      return [200, instances()]
    },
    'POST /services/srv-1/scale': ({ numInstances }) => {
      if (!service.serviceDetails.autoscaling) service.serviceDetails.numInstances = numInstances ?? 0
      state.slow = 2
      return [202]
    },
    'POST /services/srv-1/restart': () => [200, void state.generation++],
    'POST /services/srv-1/suspend': () => setSuspended('suspended'),
    'POST /services/srv-1/resume': () => setSuspended('not_suspended'),
  }
  const server = createServer(async (request: IncomingMessage, response) => {
    const name = `${request.method} ${request.url}`
    const body = await new Response(request as never).text()
    calls.push(name)
    if (request.headers.authorization !== `Bearer ${apiKey}`) return reply(response, 401, { message: 'unauthorized' })
    if (on(name, response)) return
    const [status, answer] = answers[name]?.(body === '' ? {} : JSON.parse(body)) ?? [404, { message: 'not found' }]
    reply(response, status, answer)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls, state, service }
}

function reply(response: ServerResponse, status: number, body?: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(body === undefined ? '' : JSON.stringify(body))
}

/** An address nobody listens at. */
async function nobody(): Promise<string> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

/** Time that passes as soon as somebody waits for it. */
class HurriedClock extends ManualClock {
  readonly slept: number[] = []
  override async sleep(ms: number): Promise<void> {
    this.slept.push(ms)
    this.time += ms
  }
}

function job(url: string, fields: object, serviceId = 'srv-1', more: Partial<RenderOptions> = {}) {
  const clock = new HurriedClock()
  const action = render({ url, apiKey, pollEvery: 1_000, ...more })
  const step = RenderStep.parse({ name: 'a', tool: 'render', ...fields })
  const context: ActionContext = {
    ...{ run: 'r1', runbook: 'a', incident: 'i1', inputs: {}, clock },
    place: { environment: 'production', service: 'checkout' },
    target: { render: { serviceId } },
    deadline: clock.now() + 60_000,
    signal: new AbortController().signal,
  }
  return {
    clock,
    step,
    plan: () => action.plan(step, context),
    run: (plan: Pick<Act, 'before' | 'desired'>) => action.run(step, plan, context),
    observe: (plan: Pick<Act, 'before' | 'desired'>) => action.observe!(step, plan, context),
  }
}

const toThree = { action: 'scale_service', params: { instances: 3 } }
const acting = async ({ plan }: ReturnType<typeof job>): Promise<Act> => {
  const found = await plan()
  assert.equal(found.verdict, 'act', found.summary)
  return found as Act
}

test('scale: the present is recorded, the target is absolute, and 202 is not believed but looked after', async () => {
  const { url, calls } = await serve()
  const scale = job(url, toThree)
  const plan = await acting(scale)
  assert.deepEqual(plan, {
    verdict: 'act',
    summary: 'scales srv-1 from 1 instance to 3',
    before: { instances: 1 },
    desired: { instances: 3 },
    undo: { action: 'scale_service', params: { instances: 1, direction: 'any' } },
  })
  const effect = await scale.run(plan)
  assert.deepEqual([effect.succeeded, effect.changed, effect.summary], [true, true, 'srv-1 runs 3 instances'])
  assert.equal(calls.filter(call => call === 'POST /services/srv-1/scale').length, 1)
  assert.equal(calls.filter(call => call.endsWith('/instances')).length, 3)
})

test('scale: with autoscaling on, Render would say 202 and do nothing: refused with the reason', async () => {
  const { url, service, calls } = await serve()
  service.serviceDetails.autoscaling = { enabled: true, min: 1, max: 4, criteria: {} }
  const plan = await job(url, toThree).plan()
  assert.equal(plan.verdict, 'refuse')
  assert.match(plan.summary, /autoscaling is on \(1 to 4 instances\) and Render ignores scaling by hand/)
  assert.ok(!calls.some(call => call.startsWith('POST')))
})

test('scale: up never takes instances away', async () => {
  const { url, service } = await serve()
  service.serviceDetails.numInstances = 4
  const up = await job(url, toThree).plan()
  assert.deepEqual([up.verdict, up.summary], ['already', 'srv-1 has 4 instances, 3 wanted'])
  const any = await job(url, { ...toThree, params: { instances: 3, direction: 'any' } }).plan()
  assert.equal(any.verdict, 'act')
})

test('scale: accepted, but the instances never come: a failure that has changed something', async () => {
  const { url, state } = await serve()
  state.stuck = true
  const scale = job(url, toThree)
  const effect = await scale.run(await acting(scale))
  assert.deepEqual([effect.succeeded, effect.changed], [false, true])
  assert.equal(effect.summary, 'scale_service was accepted, but after 5m srv-1 runs 1 instance')
})

test('a change over the rate limit is sent again after Retry-After, for Render has refused it', async () => {
  let refusals = 2
  const { url, calls } = await serve((name, response) => {
    if (!name.endsWith('/scale') || refusals-- <= 0) return false
    reply(response, 429, { message: 'slow down' }, { 'retry-after': '7' })
    return true
  })
  const scale = job(url, toThree)
  const effect = await scale.run(await acting(scale))
  assert.equal(effect.succeeded, true)
  assert.deepEqual(scale.clock.slept.slice(0, 2), [7_000, 7_000])
  assert.equal(calls.filter(call => call.endsWith('/scale')).length, 3)
})

test('a rate limit longer than the step may take: certainly nothing was done', async () => {
  const { url } = await serve((name, response) => {
    if (name.endsWith('/scale')) reply(response, 429, {}, { 'retry-after': '600' })
    return name.endsWith('/scale')
  })
  const scale = job(url, toThree)
  await assert.rejects(scale.run(await acting(scale)), NothingDone)
})

test('reads are repeated on 429 and 5xx', async () => {
  const bad = [500, 429, 503]
  const { url } = await serve((name, response) => {
    const status = name.startsWith('GET') ? bad.shift() : undefined
    if (status !== undefined) reply(response, status, { message: 'no' }, status === 429 ? { 'retry-after': '3' } : {})
    return status !== undefined
  })
  const scale = job(url, toThree)
  await acting(scale)
  assert.deepEqual(scale.clock.slept, [1_000, 3_000, 4_000])
})

for (const [name, fail] of [
  ['500', (response: ServerResponse) => reply(response, 500, { message: 'oops' })],
  ['a cut connection', (response: ServerResponse) => void response.socket?.destroy()],
] as const)
  test(`a change answered by ${name} is sent once, and settled by reading`, async () => {
    const { url, calls, service } = await serve((request, response) => {
      if (!request.endsWith('/scale')) return false
      // The worst case: it was done, and the answer says otherwise.
      service.serviceDetails.numInstances = 3
      fail(response)
      return true
    })
    const scale = job(url, toThree)
    const plan = await acting(scale)
    await assert.rejects(scale.run(plan), error => !(error instanceof NothingDone))
    assert.equal(calls.filter(call => call.endsWith('/scale')).length, 1)
    assert.equal((await scale.observe(plan)).holds, true)
  })

test('what Render refuses, and what was never sent, has certainly changed nothing', async () => {
  const { url } = await serve((name, response) => {
    if (name.endsWith('/restart')) reply(response, 400, { id: 'x', message: 'Not supported' })
    return name.endsWith('/restart')
  })
  const restart = job(url, { action: 'restart_service' })
  const plan = await acting(restart)
  await assert.rejects(restart.run(plan), { name: 'NothingDone', message: /400 Not supported$/ })
  const nowhere = job(await nobody(), { action: 'restart_service' })
  await assert.rejects(nowhere.run(plan), { name: 'NothingDone', message: /unreachable \(ECONNREFUSED\)$/ })
})

test('a guard that does not make a call has certainly changed nothing; one that gave up on it leaves that open', async () => {
  const { url, calls } = await serve()
  let leaveAlone = false
  const guarded = job(url, toThree, 'srv-1', {
    async guard(call) {
      if (leaveAlone) throw new Error('left alone for a moment')
      return call()
    },
  })
  const plan = await acting(guarded)
  leaveAlone = true
  await assert.rejects(guarded.run(plan), { name: 'NothingDone', message: /scale: not sent: left alone/ })
  assert.ok(calls.every(call => !call.startsWith('POST')))
  const late = job(url, toThree, 'srv-1', {
    async guard(call) {
      await call()
      throw new Error('no answer in 30 s')
    },
  })
  await assert.rejects(late.run(plan), error => !(error instanceof NothingDone))
  assert.equal(calls.filter(call => call.startsWith('POST')).length, 1)
})

test('restart: done when every instance is a new one, which a later reader can tell as well', async () => {
  const { url, state } = await serve()
  const restart = job(url, { action: 'restart_service' })
  const plan = await acting(restart)
  assert.equal(plan.undo, null)
  assert.equal((await restart.observe(plan)).holds, false)
  const effect = await restart.run(plan)
  assert.deepEqual([effect.succeeded, effect.summary], [true, '1 of 1 instance of srv-1 are new'])
  assert.equal(state.generation, 2)
  assert.equal((await job(url, { action: 'restart_service' }).observe(plan)).holds, true)
})

test('suspend and resume undo each other; a suspended service is not scaled', async () => {
  const { url } = await serve()
  const suspend = job(url, { action: 'suspend_service' })
  const plan = await acting(suspend)
  assert.deepEqual(plan.undo, { action: 'resume_service', params: {} })
  assert.equal((await suspend.run(plan)).succeeded, true)
  assert.equal((await suspend.plan()).verdict, 'already')
  assert.match((await job(url, toThree).plan()).summary, /is suspended; resume it first/)
  const resume = job(url, { action: 'resume_service' })
  assert.equal((await resume.run(await acting(resume))).succeeded, true)
})

test('cron jobs and static sites are refused; a service Render does not know is an error', async () => {
  const { url, service } = await serve()
  service.type = 'cron_job'
  assert.match((await job(url, { action: 'restart_service' }).plan()).summary, /a cron_job cannot be acted upon/)
  await assert.rejects(job(url, toThree, 'srv-9').plan(), /GET \/services\/srv-9: 404 not found/)
})

test('no error holds the key', async () => {
  const { url } = await serve((_name, response) => {
    reply(response, 403, { message: 'forbidden' })
    return true
  })
  for (const at of [url, await nobody()])
    await assert.rejects(
      job(at, toThree).plan(),
      error => !JSON.stringify([error, String(error), (error as Error).stack]).includes(apiKey),
    )
})

test('without a key every step is refused, and says what to set', async () => {
  const action = render(undefined)
  const step = RenderStep.parse({ name: 'a', tool: 'render', ...toThree })
  await assert.rejects(
    action.plan(step, { target: { render: { serviceId: 'srv-1' } } } as ActionContext),
    /set actions.render.apiKey/,
  )
})
