import type { AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import type { CreateApplication } from './application.ts'
import { createCatalog } from './catalog.ts'
import { createCheckout } from './checkout.ts'
import { createCall } from './client.ts'
import { createGateway } from './gateway.ts'
import { createLoad } from './load.ts'
import { createPayments } from './payments.ts'
import { seeded } from './random.ts'
import { Recent } from './recent.ts'
import { createShopServer } from './server.ts'
import { addressVariable, type ServiceName } from './services.ts'
import { Telemetry } from './telemetry.ts'
import { createWorker } from './worker.ts'

// One process of the shop: `node shop/main.ts <service>`, started by the fleet, which tells it by environment variables
// where everything is. It tells its port over the channel to its parent, and ends when that channel closes.

const applications: Record<ServiceName, CreateApplication> = {
  gateway: createGateway,
  checkout: createCheckout,
  payments: createPayments,
  catalog: createCatalog,
  worker: createWorker,
  load: createLoad,
}

const name = process.argv[2] as ServiceName
const instance = process.env.SHOP_INSTANCE_ID ?? `${name}-${process.pid}`
/** In-flight requests are waited for so long, then cut. */
const drainLimit = 1_500

const recent = new Recent(5_000)
const telemetry = new Telemetry({
  endpoint: process.env.OTEL_EXPORTER_OTLP_ENDPOINT,
  metricInterval: Number(process.env.OTEL_METRIC_EXPORT_INTERVAL ?? 1_000),
  logDelay: Number(process.env.OTEL_BLRP_SCHEDULE_DELAY ?? 1_000),
  temporality: process.env.OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE === 'delta' ? 'delta' : 'cumulative',
  resource: {
    'service.name': name,
    'service.instance.id': instance,
    'deployment.environment.name': process.env.SHOP_ENVIRONMENT ?? 'demo',
  },
})

/** Share of the machine's processors used since it was last asked. */
function observeUtilization(): () => number {
  let before = { cpu: process.cpuUsage(), at: performance.now() }
  return () => {
    const now = { cpu: process.cpuUsage(), at: performance.now() }
    const used = now.cpu.user + now.cpu.system - before.cpu.user - before.cpu.system
    const elapsed = (now.at - before.at) * 1_000 * availableParallelism()
    before = now
    return elapsed > 0 ? used / elapsed : 0
  }
}

function addressOf(service: string): string {
  const address = process.env[addressVariable(service)]
  if (address === undefined) throw new Error(`${addressVariable(service)} is not set; the fleet sets it`)
  return address
}

telemetry.observe('process.memory.usage', 'By', 'up-down', () => process.memoryUsage.rss())
telemetry.observe('process.cpu.utilization', '1', 'gauge', observeUtilization())
const call = createCall(telemetry.histogram('http.client.request.duration'), addressOf)
const application = applications[name]({ telemetry, call, recent, random: seeded(name) })
const status = () => ({ service: name, instance, pid: process.pid, rss: process.memoryUsage.rss(), ...recent.read() })
const server = createShopServer({ name, application, telemetry, recent, status })

server.listen(0, '127.0.0.1', () => {
  telemetry.log('info', `${name} started as ${instance}`)
  telemetry.start()
  process.send?.({ port: (server.address() as AddressInfo).port })
})
const end = application.start?.()

async function stop(): Promise<void> {
  setTimeout(() => process.exit(0), drainLimit).unref()
  end?.()
  const closed = new Promise(resolve => server.close(resolve))
  // A connection that was busy when the server closed is kept open by its client once it is idle.
  setInterval(() => server.closeIdleConnections(), 20).unref()
  await closed
  telemetry.log('info', `${name} stopped`)
  await telemetry.stop()
  process.exit(0)
}

process.once('SIGTERM', () => void stop())
// Ctrl-C in a terminal reaches every process of the group; when to end is the parent's decision.
process.on('SIGINT', () => undefined)
// Without a parent there is nobody left who would end this process.
process.once('disconnect', () => process.exit(0))
