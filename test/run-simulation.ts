import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../operators/clock.ts'
import type { Event } from '../operators/operator.ts'
import type { RunReport, RunRequested } from '../operators/signal.ts'
import { type Action, NothingDone } from '../runbooks/actions/action.ts'
import type { RenderStep } from '../runbooks/actions/render.ts'
import type { ShellStep } from '../runbooks/actions/shell.ts'
import { wait } from '../runbooks/actions/wait.ts'
import { Executor, type ExecutorOptions } from '../runbooks/execute.ts'
import type { JournalRow } from '../runbooks/journal.ts'
import type { ExecutorState } from '../runbooks/owned.ts'
import type { RunRecord } from '../runbooks/record.ts'
import { Runbook } from '../runbooks/runbook.ts'
import { Secrets } from '../runbooks/secrets.ts'

/** A clock that stands still until told. */
export class ManualClock implements Clock {
  time: number
  readonly #timers = new Set<{ at: number; fire: () => void }>()
  constructor(time = 1_000_000) {
    this.time = time
  }
  now(): number {
    return this.time
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      if (signal?.aborted) return resolve()
      const timer = { at: this.time + ms, fire: resolve }
      this.#timers.add(timer)
      signal?.addEventListener('abort', () => this.#timers.delete(timer) && resolve(), { once: true })
    })
  }
  /** When the next sleeper wakes. */
  get next(): number | undefined {
    return this.#timers.size === 0 ? undefined : Math.min(...[...this.#timers].map(({ at }) => at))
  }
  advance(ms: number): void {
    this.time += ms
    for (const timer of [...this.#timers]) {
      if (timer.at > this.time || !this.#timers.delete(timer)) continue
      timer.fire()
    }
  }
}

/** Something begun and not finished: the simulation decides how it ends, or that nobody ever hears of it. */
interface Pending {
  readonly seat: Seat
  readonly kind: 'append' | 'action' | 'read'
  /** Makes it so in the world. */
  readonly land: () => void
  readonly answer: () => void
  readonly fail: (error: Error) => void
}

/** One process that executes runs. */
export interface Seat {
  readonly name: string
  executor: Executor
  readonly clock: ManualClock
  alive: boolean
  cursor: number
  liveFrom: number
  caughtUp: boolean
  saved: { cursor: number; state: ExecutorState } | undefined
}

export const runbook = Runbook.parse({
  name: 'grow',
  mode: 'auto',
  steps: [
    { name: 'look', tool: 'shell', command: 'uptime' },
    { name: 'scale', tool: 'render', action: 'scale_service', params: { instances: 3 } },
    { name: 'look again', tool: 'shell', command: 'uptime' },
    { name: 'restart', tool: 'render', action: 'restart_service' },
  ],
})

export const target = 'production/shop'

export function requested(run: string, at: number, fields: Partial<RunRequested> = {}): RunRequested {
  const place = { environment: 'production', service: 'shop', target }
  return {
    type: 'requested',
    run,
    runbook: 'grow',
    incident: 'i1',
    ...place,
    at,
    because: 'a test',
    inputs: {},
    ...fields,
  }
}

/** The ledger, the processes around it, and the one service they act on. */
export class World {
  readonly log: RunRecord[] = []
  readonly pending: Pending[] = []
  readonly seats: Seat[] = []
  readonly reports: Event<RunReport>[] = []
  readonly rows: JournalRow[] = []
  /** How often each write effect took place. */
  readonly effects = new Map<string, number>()
  instances = 1
  generation = 0
  time = 1_000_000
  #nonces = 0
  readonly #options: Partial<ExecutorOptions>

  constructor(options: Partial<ExecutorOptions> = {}) {
    this.#options = options
  }

  start(name: string, saved?: Seat['saved']): Seat {
    const seat: Seat = {
      name,
      executor: undefined as unknown as Executor,
      clock: new ManualClock(this.time),
      alive: true,
      cursor: saved?.cursor ?? 0,
      liveFrom: this.log.length,
      caughtUp: false,
      saved,
    }
    seat.executor = new Executor({
      runbooks: [runbook],
      actions: { shell: this.#reader(seat), log_analysis: undefined as never, render: this.#writer(seat), wait },
      catalogue: { services: { shop: service('srv-1') } },
      clock: seat.clock,
      secrets: new Secrets([]),
      nonce: () => `${name}-${this.#nonces++}`,
      append: record => this.#wait(seat, 'append', () => void this.log.push(structuredClone(record))),
      report: async event => void this.reports.push(event),
      journal: async rows => void this.rows.push(...rows),
      logger: {
        warn: () => {},
        error: details => {
          throw new Error(JSON.stringify(details))
        },
      },
      ...this.#options,
    })
    seat.executor.assigned(0, saved?.state)
    this.seats.push(seat)
    this.#reach(seat)
    return seat
  }

  /** Gives a process the next record; false: there is none. */
  async deliver(seat: Seat): Promise<boolean> {
    const record = this.log[seat.cursor]
    if (!record) return false
    const offset = seat.cursor++
    await seat.executor.observe(structuredClone(record), { partition: 0, offset, live: offset >= seat.liveFrom })
    this.#reach(seat)
    return true
  }

  save(seat: Seat): void {
    const { offset, ledgers } = seat.executor.snapshot(0)
    seat.saved = JSON.parse(JSON.stringify({ cursor: offset + 1, state: { offset, ledgers } }))
  }

  /** From now on nothing reaches it; what it had under way may still happen. */
  crash(seat: Seat): void {
    seat.alive = false
  }

  advance(ms: number): void {
    this.time += ms
    for (const seat of this.seats) if (seat.alive) seat.clock.advance(ms)
  }

  /** Lets everything end well until nothing moves any more. `stop`: kinds of work to leave unfinished. */
  async settle(leave: readonly Pending['kind'][] = []): Promise<void> {
    for (let idle = 0; idle < 2; ) {
      await setImmediate()
      const work = this.pending.findIndex(({ kind }) => !leave.includes(kind))
      const [next] = work < 0 ? [] : this.pending.splice(work, 1)
      next?.land()
      next?.answer()
      let moved = next !== undefined
      for (const seat of this.seats) if (seat.alive && (await this.deliver(seat))) moved = true
      idle = moved ? 0 : idle + 1
    }
  }

  #reach(seat: Seat): void {
    if (seat.caughtUp || seat.cursor < seat.liveFrom) return
    seat.caughtUp = true
    seat.executor.caughtUp(0)
  }

  #wait(seat: Seat, kind: Pending['kind'], land: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const heard = (tell: () => void) => () => seat.alive && tell()
      this.pending.push({ seat, kind, land, answer: heard(resolve), fail: error => heard(() => reject(error))() })
    })
  }

  #reader(seat: Seat): Action<ShellStep> {
    return {
      tool: 'shell',
      summary: '',
      kind: () => 'read',
      repeatable: () => true,
      timeout: () => 30_000,
      plan: async () => ({ verdict: 'act', summary: 'looks', before: null, desired: null, undo: null }),
      run: async () => {
        await this.#wait(seat, 'read', () => {})
        return { succeeded: true, changed: false, summary: 'looked', output: '', after: null }
      },
    }
  }

  #writer(seat: Seat): Action<RenderStep> {
    return {
      tool: 'render',
      summary: '',
      kind: () => 'write',
      repeatable: () => false,
      timeout: () => 300_000,
      plan: async step => {
        const restarts = step.action !== 'scale_service'
        const before = restarts ? this.generation : this.instances
        if (!restarts && before === step.params.instances) return { verdict: 'already', summary: 'is so', before }
        return {
          verdict: 'act',
          summary: restarts ? 'restarts' : `scales from ${before} to ${step.params.instances}`,
          before,
          desired: restarts ? before + 1 : step.params.instances,
          undo: restarts ? null : { params: { instances: before, direction: 'any' } },
        }
      },
      run: async (step, plan, context) => {
        const restarts = step.action !== 'scale_service'
        await this.#wait(seat, 'action', () => {
          const key = `${context.run} ${step.name} ${JSON.stringify(plan.desired)}`
          this.effects.set(key, (this.effects.get(key) ?? 0) + 1)
          if (restarts) this.generation++
          else this.instances = Number(plan.desired)
        })
        return { succeeded: true, changed: true, summary: 'done', output: '', after: plan.desired }
      },
      observe: async (step, plan) => {
        const now = step.action === 'scale_service' ? this.instances : this.generation
        return { holds: now === plan.desired, summary: `is ${now}`, after: now }
      },
    }
  }
}

export const nothingDone = (why: string) => new NothingDone(why)

function service(serviceId: string) {
  return { tier: 3, dependencies: [], aliases: [], environments: { production: { render: { serviceId } } } }
}
