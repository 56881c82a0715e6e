import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { faults } from './faults.ts'
import { Receiver, runs, until } from './receiver.fixture.ts'
import { Fleet } from './render/fleet.ts'
import { serviceNames } from './shop/services.ts'

const last = (values: number[]): number => values.at(-1) ?? 0

describe('the shop', () => {
  const receiver = new Receiver()
  let fleet: Fleet
  before(async () => {
    await receiver.listen()
    fleet = new Fleet({ endpoint: receiver.url, metricInterval: 200, logDelay: 200, temporality: 'delta' })
    await fleet.start()
  })
  after(async () => {
    await fleet.stop()
    await receiver.close()
  })

  test('every service sends metrics and logs under its name, instance and environment', async () => {
    const heard = (service: string): boolean =>
      receiver.values(service, 'process.memory.usage').length > 0 &&
      receiver.values(service, 'process.cpu.utilization').length > 0 &&
      receiver.logs.some(log => log.service === service)
    await until('all services heard', () => serviceNames.every(heard))
    const answering = ['gateway', 'checkout', 'payments', 'catalog', 'worker']
    await until('durations of all servers', () =>
      answering.every(service => receiver.values(service, 'http.server.request.duration').length > 0),
    )
    await until('queue depth', () => receiver.values('worker', 'queue.depth').length > 0)
    assert.ok(receiver.metrics.every(({ instance }) => instance.startsWith('srv-demo-')))
  })

  test('one trace runs from the gateway to the payment', async () => {
    const accepted = await until('an order', () =>
      receiver.logs.find(log => log.service === 'checkout' && log.body.includes('accepted')),
    )
    const services = await until('its other log records', () => {
      const found = receiver.logs.filter(log => log.traceId === accepted.traceId).map(log => log.service)
      // Each process sends its own in its own time.
      return found.includes('gateway') && found.includes('payments') && found
    })
    assert.deepEqual([...new Set(services)].sort(), ['checkout', 'gateway', 'payments'])
  })

  test('memory-leak: memory grows and is complained about; a restart heals it', async () => {
    const memory = (): number => last(receiver.values('catalog', 'process.memory.usage'))
    const before = await until('memory', memory)
    await fleet.inject('catalog', 'memory-leak')
    await until('15 MB more', () => memory() > before + 15e6)
    await fleet.get('catalog').restart()
    await until('memory as it was', () => memory() < before + 8e6)
  })

  test('slow-dependency: slow where it is and where it is felt, with reasons logged; a restart heals it', async () => {
    const slow = (service: string): number => last(receiver.values(service, 'http.server.request.duration'))
    await until('durations', () => slow('payments') < 0.1)
    await fleet.inject('payments', 'slow-dependency')
    await until('slow payments', () => slow('payments') > 0.4)
    await until('slow checkout', () => slow('checkout') > 0.4)
    await until('warnings', () => receiver.logs.some(({ body }) => /waited \d+ ms for a bank connection/.test(body)))
    await fleet.get('payments').restart()
    await until('fast payments', () => slow('payments') < 0.1)
  })

  test('a fault is known to the service that the table names, and to no other', async () => {
    for (const { service } of faults)
      await assert.rejects(fleet.inject(service, 'no-such-fault'), /refused.*faults of this service/)
    await assert.rejects(fleet.inject('worker', 'memory-leak'), /refused/)
  })
})

describe('the end of the shop', () => {
  const shop = fileURLToPath(new URL('./shop.ts', import.meta.url))
  const start = async (): Promise<{ pids: number[]; child: ReturnType<typeof spawn> }> => {
    const child = spawn(process.execPath, [shop, '--port', '0', '--otlp', 'http://127.0.0.1:9'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [text] = await once(child.stdout, 'data')
    const pids = String(text).split('pids ')[1]?.trim().split(' ').map(Number) ?? []
    assert.equal(pids.filter(runs).length, serviceNames.length)
    return { pids, child }
  }

  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    test(`after ${signal} no process is left`, async () => {
      const { pids, child } = await start()
      child.kill(signal)
      await until('all gone', () => !pids.some(runs))
    })
})
