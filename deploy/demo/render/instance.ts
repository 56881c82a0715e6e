import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('../shop/main.ts', import.meta.url))
/** A process that is not healthy by then is not going to be; generous, for a busy machine starts Node slowly. */
const healthDeadline = 20_000
const healthInterval = 25
const stopDeadline = 2_500
const errorLimit = 4_000

export interface InstanceOptions {
  id: string
  service: string
  environment: Record<string, string>
}

/** One process of a service. It ends with this process, however this one ends: its channel to us closes. */
export class Instance {
  readonly id: string
  readonly service: string
  readonly createdAt = new Date()
  readonly #child: ChildProcess
  #port = 0
  #errors = ''

  /** Starts the process; `healthy` says when it can be used. */
  constructor({ id, service, environment }: InstanceOptions) {
    this.id = id
    this.service = service
    this.#child = fork(entry, [service], {
      // Of our own environment only what Node needs: a shop has no business with the user's secrets.
      env: { PATH: process.env.PATH ?? '', ...environment, SHOP_INSTANCE_ID: id },
      execArgv: ['--max-old-space-size=64', '--max-semi-space-size=1'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-errorLimit)
    })
    this.#child.on('error', error => {
      this.#errors += error.message
    })
    this.#child.on('message', message => {
      this.#port = (message as { port: number }).port
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get port(): number {
    return this.#port
  }

  get exited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined
  }

  /** Calls back once, when the process has ended for whatever reason. */
  onExit(callback: () => void): void {
    this.#child.once('exit', callback)
  }

  /** Resolves when `/healthz` answers 200. Rejects, with what the process said, if it ends or takes too long. */
  async healthy(): Promise<void> {
    const deadline = Date.now() + healthDeadline
    while (Date.now() < deadline) {
      if (this.exited) throw new Error(`${this.service} ${this.id}: ended while starting\n${this.#errors}`)
      if (this.#port !== 0 && (await this.#answers())) return
      await new Promise(resolve => setTimeout(resolve, healthInterval))
    }
    throw new Error(`${this.service} ${this.id}: not healthy after ${healthDeadline} ms\n${this.#errors}`)
  }

  /** Asks the process itself, past the proxy. Undefined when it does not answer. */
  async control(method: 'GET' | 'POST', path: string): Promise<{ status: number; body: unknown } | undefined> {
    try {
      const signal = AbortSignal.timeout(2_000)
      const response = await fetch(`http://127.0.0.1:${this.#port}/control/${path}`, { method, signal })
      return { status: response.status, body: await response.json() }
    } catch {
      return undefined
    }
  }

  /** Asks the process to end, and makes it if it does not. */
  async stop(): Promise<void> {
    if (this.exited) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const force = setTimeout(() => this.#child.kill('SIGKILL'), stopDeadline)
    await exit
    clearTimeout(force)
  }

  async #answers(): Promise<boolean> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.#port}/healthz`, { signal: AbortSignal.timeout(1_000) })
      await response.arrayBuffer()
      return response.ok
    } catch {
      return false
    }
  }
}
