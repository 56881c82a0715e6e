import { setTimeout as delay } from 'node:timers/promises'
import type { Incident } from '../../operators/signal.ts'
import type { Agent } from './agent.ts'
import type { Fault } from './faults.ts'
import { causeIsRight, follow, healed, isOver, missing, type Progress } from './follow.ts'
import { residentMemory } from './memory.ts'
import { drawPanel, summarize, type View } from './panel.ts'
import type { Fleet } from './render/fleet.ts'
import { type FaultScore, scoreOf } from './scoreboard.ts'
import type { Screen } from './screen.ts'

export interface StoryParts {
  agent: Pick<Agent, 'pid' | 'exited' | 'measure' | 'incidents' | 'stepOf' | 'lastWords'>
  fleet: Pick<Fleet, 'inject' | 'status'>
  screen: Screen
  signal: AbortSignal
  /** Milliseconds between two looks at shop and agent. */
  lookEvery: number
  /** Milliseconds for a fault to be healed; one that is not by then is given up. */
  patience: number
}

/** Breaks the shop, watches the agent, and tells what is to be seen. */
export class Story {
  readonly #parts: StoryParts
  readonly #told: Progress[] = []
  #view: View = { instances: [], agentRss: 0, phase: '', progress: undefined, step: undefined }

  constructor(parts: StoryParts) {
    this.#parts = parts
  }

  /** Lets the agent see what is normal for so many milliseconds. */
  async learn(duration: number): Promise<void> {
    const end = Date.now() + duration
    while (Date.now() < end) {
      const left = Math.ceil((end - Date.now()) / 1_000)
      await this.#look({ phase: `learning what is normal, ${left} s to go` })
    }
  }

  /** Injects a fault and follows it until the agent is done with it, or patience ends. */
  async tell(fault: Fault): Promise<void> {
    const { agent, fleet, screen, patience } = this.#parts
    await fleet.inject(fault.service, fault.name)
    let progress: Progress = { fault, injectedAt: Date.now() }
    const place = this.#told.push(progress) - 1
    screen.say(screen.style('bold', `fault ${place + 1}, ${fault.name}: ${fault.story}`))
    while (!isOver(progress) && Date.now() < progress.injectedAt + patience) {
      const before = progress
      progress = follow(progress, await agent.incidents(), Date.now())
      this.#told[place] = progress
      this.#announce(before, progress)
      const step = progress.run && (await agent.stepOf(progress.run.run))
      await this.#look({ phase: `fault ${place + 1}, ${fault.name}`, progress, step })
    }
    if (!healed(progress)) screen.say(screen.style('red', `not healed: ${missing(progress).join('; ')}`))
    this.#view = { ...this.#view, progress: undefined, step: undefined }
  }

  scores(): FaultScore[] {
    return this.#told.map(scoreOf)
  }

  /** Incidents that belong to none of the faults. */
  async falseAlarms(): Promise<number> {
    const known = new Set(this.#told.map(({ incident }) => incident?.id))
    return (await this.#parts.agent.incidents()).filter(({ id }) => !known.has(id)).length
  }

  async #look(change: Partial<View>): Promise<void> {
    const { agent, fleet, screen, signal, lookEvery } = this.#parts
    signal.throwIfAborted()
    if (agent.exited) throw new Error(`the agent ended; its last words:\n${agent.lastWords()}`)
    agent.measure()
    const instances = await fleet.status()
    this.#view = { ...this.#view, ...change, instances, agentRss: residentMemory(agent.pid) }
    screen.status(
      () => drawPanel(this.#view, (format, text) => screen.style(format, text)),
      () => summarize(this.#view),
    )
    await delay(lookEvery, undefined, { signal }).catch(() => undefined)
  }

  /** A line for everything that has become known since the last look. */
  #announce(before: Progress, now: Progress): void {
    const { screen } = this.#parts
    const { incident, cause, run, injectedAt } = now
    const tell = (text: string): void =>
      screen.say(`${text} ${screen.style('dim', `+${((Date.now() - injectedAt) / 1_000).toFixed(1)} s`)}`)
    if (incident && !before.incident) tell(`detected: ${incident.id} ${incident.title}`)
    if (cause && cause.signal !== before.cause?.signal) {
      const colour = causeIsRight(now) ? 'green' : 'red'
      const share = Math.round(cause.confidence * 100)
      tell(screen.style(colour, `cause: ${cause.service} ${cause.subject} (${share} %)`))
    }
    if (run && `${run.run} ${run.state}` !== `${before.run?.run} ${before.run?.state}`)
      tell(`runbook '${run.runbook}' on ${run.target}: ${run.state}`)
    if (now.resolvedAt && !before.resolvedAt) tell(screen.style('green', `resolved: ${resolvedLine(incident)}`))
  }
}

function resolvedLine(incident: Incident | undefined): string {
  const signals = incident?.signals.length ?? 0
  return `${signals} ${signals === 1 ? 'signal' : 'signals'} clear`
}
