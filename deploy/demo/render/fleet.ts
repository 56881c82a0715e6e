import { addressVariable, type ServiceName, serviceNames, services } from '../shop/services.ts'
import { RenderService } from './service.ts'

export interface FleetOptions {
  /** Where the processes send OTLP; undefined: nowhere. */
  endpoint: string | undefined
  /** Milliseconds between exports of metrics. */
  metricInterval: number
  /** Longest time a log record waits to be sent, in milliseconds. */
  logDelay: number
  temporality: 'cumulative' | 'delta'
  onTrouble?(text: string): void
  /** Services to run; all by default. */
  only?: readonly ServiceName[]
}

/** What an instance says of itself over its last seconds: durations in seconds, rates per second, `rss` in bytes. */
export interface InstanceStatus {
  service: string
  instance: string
  pid: number
  rss: number
  requestRate: number
  errorRate: number
  p95: number
}

/** All processes of the shop, each behind its service's lasting address. */
export class Fleet {
  readonly services: ReadonlyMap<string, RenderService>

  constructor({ endpoint, metricInterval, logDelay, temporality, onTrouble, only }: FleetOptions) {
    const names = only ?? serviceNames
    const environment = (): Record<string, string> => ({
      ...(endpoint === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }),
      OTEL_METRIC_EXPORT_INTERVAL: String(metricInterval),
      OTEL_BLRP_SCHEDULE_DELAY: String(logDelay),
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: temporality,
      ...Object.fromEntries([...this.services].map(([name, { proxy }]) => [addressVariable(name), proxy.url])),
    })
    const create = (name: ServiceName): RenderService =>
      new RenderService({ name, type: services[name].type, environment, onTrouble: onTrouble ?? (() => undefined) })
    this.services = new Map(names.map(name => [name, create(name)]))
  }

  get(name: string): RenderService {
    const service = this.services.get(name)
    if (service === undefined) throw new Error(`no service '${name}' in the fleet`)
    return service
  }

  /** Resolves when every process is healthy; customers come last, when there is a shop to come to. */
  async start(): Promise<void> {
    const all = [...this.services.values()]
    await Promise.all(all.map(service => service.proxy.listen()))
    await Promise.all(all.filter(service => service.name !== 'load').map(service => service.start()))
    await this.services.get('load')?.start()
  }

  /** Breaks every instance that a service has now; those started later are whole. */
  async inject(service: string, fault: string): Promise<void> {
    for (const instance of this.get(service).instances) {
      const answer = await instance.control('POST', `faults/${fault}`)
      if (answer?.status !== 202)
        throw new Error(`${service}: fault '${fault}' refused: ${JSON.stringify(answer?.body)}`)
    }
  }

  /** Status of every instance that answers. */
  async status(): Promise<InstanceStatus[]> {
    const instances = [...this.services.values()].flatMap(service => service.instances)
    const answers = await Promise.all(instances.map(instance => instance.control('GET', 'status')))
    return answers.flatMap(answer => (answer?.status === 200 ? [answer.body as InstanceStatus] : []))
  }

  /** Process ids of everything that runs. */
  pids(): number[] {
    return [...this.services.values()].flatMap(service => service.instances.map(instance => instance.pid))
  }

  async stop(): Promise<void> {
    await this.services.get('load')?.stop()
    await Promise.all([...this.services.values()].filter(({ name }) => name !== 'load').map(service => service.stop()))
  }
}
