import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { runs, until } from '../receiver.fixture.ts'
import { RenderApiServer } from './api.ts'
import { Fleet } from './fleet.ts'

describe('the emulator of the Render API', () => {
  const fleet = new Fleet({
    endpoint: undefined,
    metricInterval: 500,
    logDelay: 500,
    temporality: 'delta',
    only: ['catalog'],
  })
  const catalog = fleet.get('catalog')
  const api = new RenderApiServer({ fleet, apiKey: 'rnd_demo' })
  before(async () => {
    await fleet.start()
    await api.listen(0)
  })
  after(async () => {
    await api.close()
    await fleet.stop()
  })

  const call = (method: string, path: string, body?: unknown, key = 'rnd_demo'): Promise<Response> =>
    fetch(`${api.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  const instances = async (): Promise<string[]> =>
    ((await (await call('GET', '/services/srv-demo-catalog/instances')).json()) as { id: string }[]).map(({ id }) => id)
  const product = (): Promise<Response> => fetch(`${catalog.proxy.url}/products/1`)

  test('restart: a new process behind the same address, and no request fails meanwhile', async () => {
    const [pid] = fleet.pids()
    const [old] = await instances()
    const { url } = catalog.proxy
    let failed = 0
    let ended = false
    const customer = (async () => {
      while (!ended) if ((await product()).status !== 200) failed += 1
    })()
    const response = await call('POST', '/services/srv-demo-catalog/restart')
    assert.equal(response.status, 200)
    assert.equal(await response.text(), '')
    await until('a new instance', async () => {
      const now = await instances()
      return now.length === 1 && now[0] !== old
    })
    await until('the old process is gone', () => pid !== undefined && !runs(pid))
    ended = true
    await customer
    assert.equal(failed, 0)
    assert.equal(catalog.proxy.url, url)
    assert.notEqual(fleet.pids()[0], pid)
  })

  test('scale: as many processes as asked for, each taking its turn', async () => {
    assert.equal((await call('POST', '/services/srv-demo-catalog/scale', { numInstances: 2 })).status, 202)
    await until('two instances', async () => (await instances()).length === 2)
    assert.equal(new Set(fleet.pids().filter(runs)).size, 2)
    for (let index = 0; index < 10; index++) await product()
    const served = (await fleet.status()).map(({ requestRate }) => requestRate > 0)
    assert.deepEqual(served, [true, true])
    const [, second] = fleet.pids()
    await call('POST', '/services/srv-demo-catalog/scale', { numInstances: 1 })
    await until('the second process is gone', () => second !== undefined && !runs(second))
    const service = (await (await call('GET', '/services/srv-demo-catalog')).json()) as Record<string, unknown>
    assert.deepEqual(service.serviceDetails, { numInstances: 1, url: catalog.proxy.url })
    assert.equal(service.suspended, 'not_suspended')
  })

  test('scale is accepted and ignored while autoscaling is enabled', async () => {
    const criterion = { enabled: true, percentage: 70 }
    const config = { enabled: true, min: 1, max: 3, criteria: { cpu: criterion, memory: criterion } }
    assert.equal((await call('PUT', '/services/srv-demo-catalog/autoscaling', config)).status, 200)
    assert.equal((await call('POST', '/services/srv-demo-catalog/scale', { numInstances: 3 })).status, 202)
    await catalog.settled()
    assert.equal((await instances()).length, 1)
    assert.equal((await call('DELETE', '/services/srv-demo-catalog/autoscaling')).status, 204)
  })

  test('suspend ends the processes and resume starts them', async () => {
    const [pid] = fleet.pids()
    assert.equal((await call('POST', '/services/srv-demo-catalog/suspend')).status, 202)
    await until('suspended', () => pid !== undefined && !runs(pid))
    assert.equal((await product()).status, 503)
    assert.equal((await call('POST', '/services/srv-demo-catalog/restart')).status, 400)
    assert.equal((await call('POST', '/services/srv-demo-catalog/resume')).status, 202)
    await until('resumed', async () => (await product()).status === 200)
  })

  test('a process that dies is replaced', async () => {
    const [pid] = fleet.pids()
    process.kill(pid ?? 0, 'SIGKILL')
    await until('another process', () => fleet.pids().some(now => now !== pid && runs(now)))
    await until('service', async () => (await product()).status === 200)
  })

  test('instance counts tell what happened', async () => {
    const response = await call('GET', '/metrics/instance-count?resource=srv-demo-catalog')
    const [series] = (await response.json()) as { values: { value: number }[] }[]
    const values = series?.values.map(({ value }) => value)
    assert.deepEqual(values?.slice(0, 4), [1, 1, 2, 1])
  })

  test('errors have an id and a message', async () => {
    const refused = async (response: Response, status: number, message: RegExp): Promise<void> => {
      assert.equal(response.status, status)
      const body = (await response.json()) as { id: string; message: string }
      assert.equal(typeof body.id, 'string')
      assert.match(body.message, message)
    }
    await refused(await call('GET', '/services/srv-demo-catalog', undefined, 'wrong'), 401, /unauthorized/)
    await refused(await call('GET', '/services/srv-nobody'), 404, /srv-nobody/)
    await refused(await call('POST', '/services/srv-demo-catalog/scale', { numInstances: 0 }), 400, /numInstances/)
    await refused(await call('POST', '/services/srv-demo-catalog/explode'), 404, /not found/)
  })

  test('the control endpoint is out of reach through the address of the service', async () => {
    const response = await fetch(`${catalog.proxy.url}/control/faults/memory-leak`, { method: 'POST' })
    assert.equal(response.status, 404)
  })

  test('beyond the rate limit: 429 with the headers that say when to come back', async () => {
    const limited = new RenderApiServer({ fleet, apiKey: 'k', rateLimit: { limit: 1, window: 60_000 } })
    await limited.listen(0)
    const ask = (): Promise<Response> => fetch(`${limited.url}/services`, { headers: { authorization: 'Bearer k' } })
    assert.equal((await ask()).headers.get('ratelimit-remaining'), '0')
    const response = await ask()
    assert.equal(response.status, 429)
    assert.match(response.headers.get('retry-after') ?? '', /^(59|60)$/)
    await limited.close()
  })
})
