import type { Clock } from '../operators/clock.ts'
import type { Event } from '../operators/operator.ts'
import type { ServiceCatalogue } from '../operators/services.ts'
import type { RunReport } from '../operators/signal.ts'
import type { Action } from './actions/action.ts'
import type { LogAnalysisStep } from './actions/log-analysis.ts'
import type { RenderStep } from './actions/render.ts'
import type { ShellStep } from './actions/shell.ts'
import type { WaitStep } from './actions/wait.ts'
import { admit, type Controls, type Guards, type Limit, modeOf, placeOf } from './guards.ts'
import { type JournalRow, journalRow, type RunRow, runRow } from './journal.ts'
import { type Next, next } from './next.ts'
import { type ExecutorState, type Owned, own, type Position } from './owned.ts'
import { Performer } from './perform.ts'
import type { RunRecord, StateChange } from './record.ts'
import { apply, type Change, emptyLedger, type Ledger, type Run } from './run.ts'
import type { Runbook, Step } from './runbook.ts'
import type { Secrets } from './secrets.ts'

export type { ExecutorState, Position } from './owned.ts'

/** An action for each tool. */
export interface Actions {
  readonly shell: Action<ShellStep>
  readonly log_analysis: Action<LogAnalysisStep>
  readonly render: Action<RenderStep>
  readonly wait: Action<WaitStep>
}

export interface Logger {
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

export interface ExecutorOptions {
  readonly runbooks: readonly Runbook[]
  readonly actions: Actions
  readonly catalogue: ServiceCatalogue
  readonly clock: Clock
  readonly secrets: Secrets
  /** A name nobody else gives: random. */
  readonly nonce: () => string
  /** Writes to `ops.runs`, key `record.target`; resolves when durable. */
  readonly append: (record: RunRecord) => Promise<void>
  /** Publishes to `ops.anomalies`, key environment. Called at least once per state of a run, always with the same origin. */
  readonly report: (event: Event<RunReport>) => Promise<void>
  /** Stores rows for `run_events`; called at least once per record, with equal rows. */
  readonly journal: (rows: readonly JournalRow[]) => Promise<void>
  /** Stores rows for `runs`; called at least once per version of a run, with equal rows. */
  readonly runs?: (rows: readonly RunRow[]) => Promise<void>
  readonly logger: Logger
  /** Default: 3 in an hour. */
  readonly maxRunsPerTarget?: readonly Limit[]
  /** Milliseconds; default 15 minutes. */
  readonly maxRequestAge?: number
  /** Default: nobody tells anything. */
  readonly controls?: Controls
  /** True: follows the records and journals them; never acts, appends or reports. */
  readonly replay?: boolean
}

const untold: Controls = { refresh: async () => {}, paused: () => undefined, trust: () => undefined }

/** How soon is looked again whether the controls can be read, in milliseconds. */
const again = 1_000

/** How long the writer of an intent has, beyond its deadline, before others look what became of it. */
const patience = 60_000

/**
 * Carries out runs. Each effect happens at most once, ever: an intent is appended to the ledger first, and acted upon
 * only when read back as the first one for its step, by the process that wrote it, once. Intents found without an answer
 * are settled by reading the real state.
 *
 * For each partition of `ops.runs`: `assigned`, then `observe` for every record in offset order, `caughtUp` when the end
 * has been reached, `revoked` when the partition goes. Steps run beside `observe`, one at a time per run, and never hold
 * up another target.
 */
export class Executor {
  readonly #options: ExecutorOptions
  readonly #guards: Guards
  readonly #performer: Performer
  readonly #owned = new Map<number, Owned>()
  /** Why the controls could not be read when last tried. */
  #unread = ''

  constructor(options: ExecutorOptions) {
    const { clock, secrets, nonce } = options
    this.#options = options
    this.#guards = {
      runbooks: new Map(options.runbooks.map(runbook => [runbook.name, runbook])),
      actionOf: (step: Step) => options.actions[step.tool] as unknown as Action<Step>,
      catalogue: options.catalogue,
      maxRunsPerTarget: options.maxRunsPerTarget ?? [{ count: 3, per: 3_600_000 }],
      maxRequestAge: options.maxRequestAge ?? 900_000,
      controls: options.controls ?? untold,
    }
    this.#performer = new Performer({ guards: this.#guards, clock, secrets, nonce })
  }

  /** The partition is ours, as of the state of its checkpoint. */
  assigned(partition: number, state: ExecutorState = { offset: -1, ledgers: {} }): void {
    this.#owned.set(partition, own(state))
  }

  /** A copy for the checkpoint: all records up to `offset`, and nothing later. */
  snapshot(partition: number): ExecutorState {
    const owned = this.#at(partition)
    return { offset: owned.offset, ledgers: structuredClone(Object.fromEntries(owned.ledgers)) }
  }

  /**
   * Takes in the next record; resolves when its report and journal row are durable, not when what it leads to is done.
   * A rejection is final: the partition must be assigned afresh from its checkpoint. Offsets seen before are ignored.
   */
  async observe(record: RunRecord, position: Position): Promise<void> {
    const owned = this.#at(position.partition)
    if (position.offset <= owned.offset) return
    const ledger = owned.ledgers.get(record.target) ?? emptyLedger()
    owned.ledgers.set(record.target, ledger)
    const known = ledger.open.find(({ request }) => request.run === record.run)
    const change = apply(ledger, record)
    owned.offset = position.offset
    if (position.live && record.type === 'intent') owned.seenLive.add(record.nonce)
    if (record.type === 'result' && record.intent !== null) owned.seenLive.delete(record.intent)
    if ('nonce' in record && owned.pending.get(record.run) === record.nonce) owned.pending.delete(record.run)
    await this.#tell(record, change, change.run ?? known, position)
    if (position.live) this.#wake(owned, record.target)
  }

  /** All records of the partition have been observed: begin to act on what they ask for. */
  caughtUp(partition: number): void {
    const owned = this.#at(partition)
    for (const target of owned.ledgers.keys()) this.#wake(owned, target)
  }

  /** The partition is no longer ours. Resolves when nothing of it is being worked on any more. */
  async revoked(partition: number): Promise<void> {
    const owned = this.#owned.get(partition)
    if (!owned) return
    this.#owned.delete(partition)
    owned.stop.abort()
    for (const timer of owned.timers.values()) timer.abort()
    await Promise.allSettled(owned.work)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#owned.keys()].map(partition => this.revoked(partition)))
  }

  #at(partition: number): Owned {
    const owned = this.#owned.get(partition)
    if (!owned) throw new Error(`executor: partition ${partition} was not assigned`)
    return owned
  }

  async #tell(record: RunRecord, change: Change, run: Run | undefined, position: Position): Promise<void> {
    const { journal, runs, report, replay, secrets } = this.#options
    await journal([secrets.maskAll(journalRow(record, change, run, position))])
    if (runs && run && change.accepted) await runs([secrets.maskAll(runRow(run))])
    if (replay || !run || !change.accepted || run.state === change.from) return
    const { environment, service, runbook, incident, target } = run.request
    await report({
      key: environment,
      time: record.at,
      origin: { stream: `topic:ops.runs/${position.partition}`, offset: position.offset, index: 0 },
      value: {
        type: 'run',
        run: record.run,
        incident,
        environment,
        service,
        runbook,
        target,
        state: run.state,
        summary: secrets.mask(change.summary),
      },
    })
  }

  #wake(owned: Owned, target: string): void {
    if (this.#options.replay) return
    for (const run of owned.ledgers.get(target)?.open ?? []) {
      const id = run.request.run
      if (owned.busy.has(id)) owned.busy.set(id, true)
      else if (!owned.pending.has(id)) this.#start(owned, run)
    }
  }

  #start(owned: Owned, run: Run): void {
    const id = run.request.run
    owned.busy.set(id, false)
    owned.timers.get(id)?.abort()
    owned.timers.delete(id)
    const work = this.#advance(owned, run)
      .catch(error => this.#options.logger.error({ run: id, error: this.#mask(error) }, 'run: could not be advanced'))
      .finally(() => {
        owned.work.delete(work)
        const again = owned.busy.get(id)
        owned.busy.delete(id)
        if (again && !owned.stop.signal.aborted) this.#wake(owned, run.request.target)
      })
    owned.work.add(work)
  }

  /** Does what is next for a run, and appends what came of it. Reading that back leads to the step after. */
  async #advance(owned: Owned, run: Run): Promise<void> {
    const { clock } = this.#options
    if (begins(next(run, clock.now())) && !(await this.#isTold(owned, run))) return
    const now = clock.now()
    const record = await this.#carryOut(owned, run, next(run, now), now)
    // Only what has been done is still written while we stop; nothing new is begun.
    if (!record || (owned.stop.signal.aborted && record.type !== 'result')) return
    if (record.type === 'intent') owned.mine.add(record.nonce)
    if ('nonce' in record && record.nonce !== undefined) owned.pending.set(record.run, record.nonce)
    await this.#append(owned, this.#options.secrets.maskAll(record))
  }

  /** Whether all that people told before now is known here. If not, nothing is begun, and the run looked at again soon. */
  async #isTold(owned: Owned, run: Run): Promise<boolean> {
    const { clock, logger } = this.#options
    try {
      await this.#guards.controls.refresh()
      this.#unread = ''
      return true
    } catch (error) {
      const problem = this.#mask(error)
      if (problem !== this.#unread)
        logger.warn({ run: run.request.run, error: problem }, 'run: the controls cannot be read, so no action is begun')
      this.#unread = problem
      this.#sleep(owned, run, clock.now() + again)
      return false
    }
  }

  async #carryOut(owned: Owned, run: Run, todo: Next, now: number): Promise<RunRecord | undefined> {
    const { signal } = owned.stop
    switch (todo.do) {
      case 'nothing':
        return undefined
      case 'admit':
        return this.#admit(owned.ledgers.get(run.request.target) ?? emptyLedger(), run, now)
      case 'preview':
        return this.#performer.preview(run, todo.step, signal)
      case 'intend':
        return (
          this.#blockedBeforeWrite(run, todo) ??
          this.#performer.intend(run, todo.phase, todo.step, todo.attempt, signal)
        )
      case 'act':
        return this.#act(owned, run, todo, now)
      case 'enter':
        return this.#state(run, todo)
      case 'await':
        return now < todo.until ? this.#sleep(owned, run, todo.until) : this.#overdue(run, todo)
    }
  }

  #admit(ledger: Ledger, run: Run, now: number): RunRecord {
    const admission = admit(this.#guards, ledger, run, now)
    if (!('plan' in admission)) return this.#state(run, admission)
    return this.#state(run, { state: 'running', ...admission })
  }

  /** What people tell counts between the steps of a run as well; undoing is still allowed. */
  #blockedBeforeWrite(run: Run, { phase, step }: Extract<Next, { do: 'intend' }>): RunRecord | undefined {
    if (phase === 'undo' || run.plan?.steps[step]?.kind !== 'write') return undefined
    const { controls } = this.#guards
    const { runbook, target } = run.request
    const paused = controls.paused(placeOf(target))
    if (paused !== undefined) return this.#state(run, { state: 'blocked', reason: 'KillSwitch', summary: paused })
    const { mode, why } = modeOf(controls, runbook, run.plan.mode, placeOf(target))
    if (mode === 'auto' || (mode === 'approve' && run.approvedBy !== null)) return undefined
    return this.#state(run, { state: 'blocked', reason: 'TrustLowered', summary: `mode ${mode}, ${why}` })
  }

  async #act(owned: Owned, run: Run, todo: Extract<Next, { do: 'act' }>, now: number): Promise<RunRecord | undefined> {
    const { nonce, attempt, deadline } = todo.intent
    const { signal } = owned.stop
    // Taken out before the first thing happens: whatever comes, it is not ours to act upon a second time.
    if (owned.mine.delete(nonce)) return this.#performer.act(run, todo, signal)
    if (owned.seenLive.has(nonce) && now < deadline + patience) return this.#sleep(owned, run, deadline + patience)
    if (todo.phase === 'do' && run.plan?.steps[todo.step]?.repeatable)
      return this.#performer.intend(run, todo.phase, todo.step, attempt + 1, signal)
    return this.#performer.reconcile(run, todo, signal)
  }

  #overdue(run: Run, { what }: Extract<Next, { do: 'await' }>): RunRecord {
    if (what === 'approval')
      return this.#state(run, { state: 'expired', reason: 'NotApproved', summary: 'nobody approved it in time' })
    const { run: id, target } = run.request
    const why = 'no verdict in time; whether the signal cleared is not known'
    const { clock, nonce } = this.#options
    return { type: 'verdict', run: id, target, at: clock.now(), verdict: 'inconclusive', why, nonce: nonce() }
  }

  #state(
    run: Run,
    what: Pick<StateChange, 'state' | 'summary'> & Partial<Pick<StateChange, 'reason' | 'undoing' | 'plan'>>,
  ): StateChange {
    const { clock, nonce } = this.#options
    const { run: id, target } = run.request
    const { state, summary, reason = '', undoing = false, plan = null } = what
    const { version } = run
    return {
      type: 'state',
      run: id,
      target,
      at: clock.now(),
      nonce: nonce(),
      version,
      state,
      undoing,
      reason,
      summary,
      plan,
    }
  }

  /** Looks at the run again at a time, unless something happens to it before. */
  #sleep(owned: Owned, run: Run, until: number): undefined {
    const { clock } = this.#options
    const timer = new AbortController()
    owned.timers.set(run.request.run, timer)
    void clock.sleep(until - clock.now(), timer.signal).then(() => {
      if (!timer.signal.aborted && !owned.stop.signal.aborted) this.#wake(owned, run.request.target)
    })
  }

  /** Tries until the record is durable. Twice the same record does no harm: only the first one counts. */
  async #append(owned: Owned, record: RunRecord): Promise<void> {
    const { append, clock, logger } = this.#options
    let last = ''
    for (let pause = 200; ; pause = Math.min(pause * 2, 30_000)) {
      try {
        return await append(record)
      } catch (error) {
        const problem = this.#mask(error)
        if (problem !== last)
          logger.warn({ run: record.run, error: problem }, 'run: record not written yet, trying again')
        last = problem
      }
      await clock.sleep(pause, owned.stop.signal)
      if (owned.stop.signal.aborted) return
    }
  }

  #mask(error: unknown): string {
    return this.#options.secrets.mask(error instanceof Error ? error.message : String(error))
  }
}

/** Whether something new is begun by it, as against the end of what is under way. */
const begins = (todo: Next): boolean => todo.do === 'admit' || (todo.do === 'intend' && todo.phase === 'do')
