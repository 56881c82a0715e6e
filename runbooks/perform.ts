import type { Clock } from '../operators/clock.ts'
import { targetOf } from '../operators/services.ts'
import { type Action, type ActionContext, type Effect, NothingDone, type Plan } from './actions/action.ts'
import { type Guards, inputsOf, placeOf } from './guards.ts'
import type { Next } from './next.ts'
import type { Intent, Phase, Result, RunRecord } from './record.ts'
import type { Run } from './run.ts'
import { contentHash, Step } from './runbook.ts'
import type { Secrets } from './secrets.ts'

/** A little more time than a step has, after which it is cut off. */
const grace = 5_000
/** Actions bound their own output to less; this is for those that forget. */
const outputLimit = 60_000

export interface Tools {
  readonly guards: Guards
  readonly clock: Clock
  readonly secrets: Secrets
  readonly nonce: () => string
}

type ActNext = Extract<Next, { do: 'act' }>

/** A step of a run with all that is needed to work on it. */
interface Job {
  readonly run: Run
  readonly phase: Phase
  readonly index: number
  readonly step: Step
  readonly action: Action<Step>
}

/** The records that working on a step leads to. It never appends them itself, and acts only in `act`. */
export class Performer {
  readonly #tools: Tools

  constructor(tools: Tools) {
    this.#tools = tools
  }

  /** Reads the present and says what to do: an intent, or a result where there is nothing to intend. */
  async intend(run: Run, phase: Phase, index: number, attempt: number, stop: AbortSignal): Promise<RunRecord> {
    const { clock, nonce } = this.#tools
    const job = this.#job(run, phase, index)
    if (typeof job === 'string') return this.#result(run, phase, index, 'failed', job)
    const plan = await this.#plan(job, stop)
    if (plan.verdict === 'refuse') return this.#result(run, phase, index, 'failed', plan.summary)
    if (plan.verdict === 'already')
      return this.#result(run, phase, index, 'skipped', plan.summary, { before: plan.before, after: plan.before })
    const at = clock.now()
    const { before, desired, undo, summary } = plan
    const { run: id, target } = run.request
    const deadline = at + job.action.timeout(job.step)
    const kept = phase === 'undo' ? null : undo
    const intent: Intent = {
      type: 'intent',
      run: id,
      target,
      at,
      nonce: nonce(),
      phase,
      step: index,
      attempt,
      summary,
      before,
      desired,
      undo: kept,
      deadline,
    }
    return intent
  }

  /** What a write would do, without doing it. */
  async preview(run: Run, index: number, stop: AbortSignal): Promise<RunRecord> {
    const job = this.#job(run, 'do', index)
    if (typeof job === 'string') return this.#result(run, 'do', index, 'failed', job)
    const plan = await this.#plan(job, stop)
    if (plan.verdict === 'refuse') return this.#result(run, 'do', index, 'failed', plan.summary)
    const before = plan.before
    if (plan.verdict === 'already')
      return this.#result(run, 'do', index, 'skipped', plan.summary, { before, after: before })
    return this.#result(run, 'do', index, 'would_do', plan.summary, { before, after: plan.desired })
  }

  /**
   * Runs the action of an intent that is ours, once. Undefined: we are stopping, and whoever comes after us finds out
   * what became of it.
   */
  async act(run: Run, { phase, step, intent }: ActNext, stop: AbortSignal): Promise<RunRecord | undefined> {
    const job = this.#job(run, phase, step)
    if (typeof job === 'string') return this.#result(run, phase, step, 'failed', job, { intent: intent.nonce })
    const { action } = job
    try {
      const effect = await this.#within(job, intent.deadline, stop, context => action.run(job.step, intent, context))
      return this.#effect(job, intent, effect)
    } catch (error) {
      if (stop.aborted) return undefined
      const summary = (error as Error).message
      const known = { intent: intent.nonce, before: intent.before }
      if (action.kind(job.step) === 'read' || error instanceof NothingDone)
        return this.#result(run, phase, step, 'failed', summary, known)
      return this.#settle(job, intent, summary, stop)
    }
  }

  /** Finds out what became of an intent whose writer is gone: by reading the real state, never by doing it again. */
  async reconcile(run: Run, { phase, step, intent }: ActNext, stop: AbortSignal): Promise<RunRecord | undefined> {
    const job = this.#job(run, phase, step)
    if (typeof job === 'string')
      return this.#result(run, phase, step, 'in_doubt', job, { intent: intent.nonce, changed: true })
    return this.#settle(job, intent, 'interrupted', stop)
  }

  async #settle(job: Job, intent: ActNext['intent'], why: string, stop: AbortSignal): Promise<RunRecord | undefined> {
    const { run, phase, index, action } = job
    const doubt = (text: string) =>
      this.#result(run, phase, index, 'in_doubt', `${why}; ${text}`, {
        intent: intent.nonce,
        before: intent.before,
        changed: true,
      })
    if (!action.observe) return doubt('nothing tells whether it was done')
    try {
      const deadline = this.#tools.clock.now() + action.timeout(job.step)
      const seen = await this.#within(job, deadline, stop, context => action.observe!(job.step, intent, context))
      if (stop.aborted) return undefined
      if (!seen.holds) return doubt(seen.summary)
      const facts = { intent: intent.nonce, before: intent.before, after: seen.after, changed: true }
      return this.#result(run, phase, index, 'succeeded', `${why}, but done: ${seen.summary}`, facts)
    } catch (error) {
      return stop.aborted ? undefined : doubt(`its state cannot be read (${(error as Error).message})`)
    }
  }

  async #plan(job: Job, stop: AbortSignal): Promise<Plan> {
    try {
      const deadline = this.#tools.clock.now() + job.action.timeout(job.step)
      return await this.#within(job, deadline, stop, context => job.action.plan(job.step, context))
    } catch (error) {
      return { verdict: 'refuse', summary: (error as Error).message }
    }
  }

  /** Hands out a context, and gives up on work that has not answered some time after its deadline. */
  async #within<T>(
    job: Job,
    deadline: number,
    stop: AbortSignal,
    work: (context: ActionContext) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#tools
    const cut = new AbortController()
    const done = new AbortController()
    const abort = () => cut.abort()
    stop.addEventListener('abort', abort, { once: true })
    if (stop.aborted) abort()
    void clock.sleep(deadline + grace - clock.now(), done.signal).then(() => done.signal.aborted || abort())
    try {
      return await Promise.race([work(this.#context(job, deadline, cut.signal)), whenAborted(cut.signal, stop)])
    } finally {
      done.abort()
      stop.removeEventListener('abort', abort)
    }
  }

  #context({ run }: Job, deadline: number, signal: AbortSignal): ActionContext {
    const { guards, clock } = this.#tools
    const { run: id, runbook, incident, target, inputs } = run.request
    const place = placeOf(target)
    const values = inputsOf(guards.runbooks.get(runbook)!, inputs)
    return {
      run: id,
      runbook,
      incident,
      place,
      target: targetOf(guards.catalogue, place) ?? {},
      inputs: typeof values === 'string' ? {} : values,
      clock,
      deadline,
      signal,
    }
  }

  /** Text: why there is none. A run is carried on only by the runbook it was planned, and approved, with. */
  #job(run: Run, phase: Phase, index: number): Job | string {
    const runbook = this.#tools.guards.runbooks.get(run.request.runbook)
    if (!runbook) return `runbook "${run.request.runbook}" is not loaded any more; ask for the run again`
    if (contentHash(runbook) !== run.plan?.hash)
      return `runbook "${runbook.name}" has changed since the run was planned; ask for it again`
    const planned = runbook.steps[index]
    if (!planned) return `runbook "${runbook.name}" has no step ${index}`
    const step = phase === 'do' ? planned : Step.parse({ ...planned, ...run.steps[index]?.undo })
    return { run, phase, index, step, action: this.#tools.guards.actionOf(step) }
  }

  #effect({ run, phase, index }: Job, intent: ActNext['intent'], effect: Effect): Result {
    const { changed, after, output, summary } = effect
    const facts = { intent: intent.nonce, before: intent.before, after, output, changed }
    return this.#result(run, phase, index, effect.succeeded ? 'succeeded' : 'failed', summary, facts)
  }

  #result(
    run: Run,
    phase: Phase,
    step: number,
    outcome: Result['outcome'],
    summary: string,
    facts: Partial<Pick<Result, 'intent' | 'before' | 'after' | 'output' | 'changed'>> = {},
  ): Result {
    const { clock, nonce, secrets } = this.#tools
    return {
      type: 'result',
      run: run.request.run,
      target: run.request.target,
      at: clock.now(),
      nonce: nonce(),
      phase,
      step,
      intent: null,
      outcome,
      changed: false,
      summary: secrets.bound(summary, 2_000),
      before: null,
      after: null,
      ...facts,
      output: secrets.bound(facts.output ?? '', outputLimit),
    }
  }
}

function whenAborted(signal: AbortSignal, stop: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(new Error(stop.aborted ? 'the executor stops' : 'did not answer in time'))
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}
