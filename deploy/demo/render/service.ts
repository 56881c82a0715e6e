import { randomBytes } from 'node:crypto'
import { Instance } from './instance.ts'
import { ServiceProxy } from './proxy.ts'

export interface AutoscalingConfig {
  enabled: boolean
  min: number
  max: number
  criteria: unknown
}

export interface ServiceOptions {
  name: string
  type: string
  /** For its processes; asked at every start, since addresses are known only when all proxies listen. */
  environment(): Record<string, string>
  /** Something that nobody asked for has happened: an instance died, or a new one did not come up. */
  onTrouble(text: string): void
}

/** Milliseconds before an instance that died by itself is replaced. */
const respawnDelay = 500

/** A service as Render knows it: an address, a number of instances, and processes kept at that number. */
export class RenderService {
  readonly id: string
  readonly name: string
  readonly type: string
  readonly createdAt = new Date()
  readonly proxy: ServiceProxy
  autoscaling: AutoscalingConfig | undefined
  suspended = false
  updatedAt = new Date()
  /** Number of running instances whenever it changed, oldest first. */
  readonly counts: { at: Date; value: number }[] = []
  readonly #options: ServiceOptions
  #instances: readonly Instance[] = []
  #wanted = 1
  #stopping = false
  #last: Promise<void> = Promise.resolve()

  constructor(options: ServiceOptions) {
    this.#options = options
    this.name = options.name
    this.type = options.type
    this.id = `srv-demo-${options.name}`
    this.proxy = new ServiceProxy(options.name)
  }

  get instances(): readonly Instance[] {
    return this.#instances
  }

  /** How many instances it is to have when it is not suspended. */
  get numInstances(): number {
    return this.#wanted
  }

  /** Starts the processes; rejects when one does not become healthy. */
  start(): Promise<void> {
    return this.#inTurn(() => this.#converge())
  }

  /** Replaces every process by a new one, which is healthy before the old one goes. */
  restart(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.suspended) return
      const old = this.#instances
      const fresh = await this.#launch(old.length)
      this.#use(fresh)
      await Promise.all(old.map(instance => instance.stop()))
    })
  }

  scale(wanted: number): Promise<void> {
    this.#wanted = wanted
    return this.#inTurn(() => this.#converge())
  }

  suspend(): Promise<void> {
    this.suspended = true
    return this.#inTurn(() => this.#converge())
  }

  resume(): Promise<void> {
    this.suspended = false
    return this.#inTurn(() => this.#converge())
  }

  /** Resolves when everything asked for so far has been done. */
  settled(): Promise<void> {
    return this.#last
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#last
    await Promise.all(this.#instances.map(instance => instance.stop()))
    this.#instances = []
    await this.proxy.close()
  }

  /** One change at a time, in the order asked for. A failed one is reported and does not stop the next. */
  #inTurn(change: () => Promise<void>): Promise<void> {
    this.updatedAt = new Date()
    const done = this.#last.then(() => (this.#stopping ? undefined : change()))
    this.#last = done.catch((error: Error) => this.#options.onTrouble(error.message))
    return done
  }

  async #converge(): Promise<void> {
    const wanted = this.suspended ? 0 : this.#wanted
    const running = this.#instances.filter(instance => !instance.exited)
    const fresh = await this.#launch(wanted - running.length)
    this.#use([...running.slice(0, wanted), ...fresh])
    await Promise.all(running.slice(wanted).map(instance => instance.stop()))
  }

  async #launch(count: number): Promise<Instance[]> {
    const fresh = Array.from({ length: Math.max(0, count) }, () => this.#spawn())
    try {
      await Promise.all(fresh.map(instance => instance.healthy()))
      return fresh
    } catch (error) {
      await Promise.all(fresh.map(instance => instance.stop()))
      throw error
    }
  }

  #spawn(): Instance {
    const id = `${this.id}-${randomBytes(4).toString('hex')}`
    const instance = new Instance({ id, service: this.name, environment: this.#options.environment() })
    instance.onExit(() => this.#replace(instance))
    return instance
  }

  /** Render starts a process that died again; one that was ended on purpose is no longer in use here. */
  #replace(instance: Instance): void {
    if (this.#stopping || !this.#instances.includes(instance)) return
    this.#use(this.#instances.filter(other => other !== instance))
    this.#options.onTrouble(`${instance.id} ended by itself and is started again`)
    setTimeout(() => void this.#inTurn(() => this.#converge()).catch(() => undefined), respawnDelay).unref()
  }

  #use(instances: readonly Instance[]): void {
    this.#instances = instances
    this.proxy.route(instances.map(instance => instance.port))
    this.counts.push({ at: new Date(), value: instances.length })
  }
}
