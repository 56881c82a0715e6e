import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { Incident } from '../../operators/signal.ts'
import { peakMemory } from './memory.ts'

const main = fileURLToPath(new URL('../../pipelines/main.ts', import.meta.url))
const tether = new URL('./tether.ts', import.meta.url).href
const readyInterval = 100
const stopDeadline = 10_000
// A machine that has just unpacked a gigabyte of packages may hold a write to disk for seconds.
const requestTimeout = 20_000

// Of the API's answers only what the demo needs.
const Listed = z.object({ incidents: z.array(z.object({ id: z.string() })) })
const Run = z.object({ run: z.string(), runbook: z.string(), target: z.string(), state: z.string(), at: z.number() })
const Whole = z.object({ incident: Incident, runs: z.array(Run) })
const RunEvents = z.object({ events: z.array(z.object({ stepName: z.string() })) })

export interface AgentOptions {
  config: string
  /** Folder for its data and its log. */
  data: string
  /** Settings over the file, as `path=value`. */
  set: readonly string[]
  /** Port of its query API. */
  port: number
}

/** An ops-agent in a process of its own, seen only through its HTTP API. */
export class Agent {
  readonly url: string
  readonly logFile: string
  readonly #child: ChildProcess
  #peak = 0

  constructor({ config, data, set, port }: AgentOptions) {
    this.url = `http://127.0.0.1:${port}`
    this.logFile = `${data}/agent.log`
    const flags = ['--config', config, '--data', data, ...set.flatMap(setting => ['--set', setting])]
    this.#child = spawn(process.execPath, ['--import', tether, main, 'run', ...flags], {
      env: ownEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const log = createWriteStream(this.logFile)
    this.#child.stdout?.pipe(log, { end: false })
    this.#child.stderr?.pipe(log, { end: false })
    this.#child.on('error', error => log.write(`${error.message}\n`))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get exited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** The most memory it was seen to hold, in bytes. */
  get peakRss(): number {
    return this.#peak
  }

  /** Takes note of the memory it holds. */
  measure(): void {
    if (!this.exited) this.#peak = Math.max(this.#peak, peakMemory(this.pid))
  }

  /** Resolves when `/ready` answers 200; rejects when the process ends before that, or after `deadline` ms. */
  async ready(deadline: number, signal: AbortSignal): Promise<void> {
    const end = Date.now() + deadline
    while (Date.now() < end && !this.exited && !signal.aborted) {
      if (await this.#answers()) return
      await new Promise(resolve => setTimeout(resolve, readyInterval))
    }
    signal.throwIfAborted()
    const why = this.exited ? `ended with ${this.#child.exitCode ?? this.#child.signalCode}` : 'is not ready'
    throw new Error(`the agent ${why}; its last words:\n${this.lastWords()}`)
  }

  /** All incidents, whole, as they stand now. */
  async incidents(): Promise<Incident[]> {
    const { incidents } = Listed.parse(await this.#get('/v1/incidents?limit=100'))
    return Promise.all(incidents.map(({ id }) => this.#whole(id)))
  }

  /** The step that a run has come to; undefined before the first, and while the run is not to be read yet. */
  async stepOf(run: string): Promise<string | undefined> {
    const response = await this.#request(`/v1/runs/${encodeURIComponent(run)}`)
    // An incident tells of a run a moment before the row of the run is written.
    if (!response.ok) return undefined
    const { events } = RunEvents.parse(await response.json())
    return events.findLast(({ stepName }) => stepName !== '')?.stepName
  }

  /** The end of its log. */
  lastWords(): string {
    try {
      return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-15).join('\n')
    } catch {
      return ''
    }
  }

  async stop(): Promise<void> {
    if (this.exited || this.#child.pid === undefined) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const force = setTimeout(() => this.#child.kill('SIGKILL'), stopDeadline)
    await exit
    clearTimeout(force)
  }

  /** The incident with its runs as the ledger has them, oldest first. */
  async #whole(id: string): Promise<Incident> {
    const { incident, runs } = Whole.parse(await this.#get(`/v1/incidents/${encodeURIComponent(id)}`))
    return { ...incident, runs: runs.sort((a, b) => a.at - b.at) }
  }

  #request(path: string): Promise<Response> {
    return fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(requestTimeout) })
  }

  async #get(path: string): Promise<unknown> {
    const response = await this.#request(path)
    if (!response.ok) throw new Error(`agent ${path}: answered ${response.status}: ${await response.text()}`)
    return response.json()
  }

  async #answers(): Promise<boolean> {
    try {
      await this.#get('/ready')
      return true
    } catch {
      return false
    }
  }
}

/** Variables of somebody else's agent must not change the demo. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(OPS_|OTEL_|SENTRY_|RENDER_)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)))
}
