import { cluster } from '../../operators/cluster/cluster.ts'
import type { Event, Logic } from '../../operators/operator.ts'
import type { LogLine, Pattern, PatternedLine } from '../../operators/signal.ts'

type State = ReturnType<ReturnType<ReturnType<typeof cluster>['create']>['init']>
type Output = PatternedLine | Pattern

/**
 * Gives lines to the operator of the stream as a service would, with its defaults, one pass. The result has for each
 * line the template that a query shows for it after the last one: that of its pattern, or of what it was merged into.
 */
export function predictTemplates(service: string, lines: readonly string[]): string[] {
  const templates = new Map<string, string>()
  const merged = new Map<string, string>()
  const given: string[] = []
  const logic = cluster({}).create() as Logic<State, LogLine, Output>
  let state = logic.init(`evaluate/${service}`)
  eventsOf(service, lines).forEach(event => {
    const [next, outputs] = logic.step(state, event)
    state = next!
    for (const output of outputs as Output[]) {
      if (output.type === 'line') given.push(output.pattern)
      else {
        templates.set(output.pattern, output.template)
        if (output.into !== undefined) merged.set(output.pattern, output.into)
      }
    }
  })
  return given.map(pattern => templates.get(followed(merged, pattern))!)
}

function followed(merged: ReadonlyMap<string, string>, pattern: string): string {
  let at = pattern
  for (let next = merged.get(at); next !== undefined; next = merged.get(at)) at = next
  return at
}

/** Milliseconds that the operator alone takes for the lines. `now` reads a clock in milliseconds. */
export function timeClustering(service: string, passes: readonly (readonly string[])[], now: () => number): number {
  const logic = cluster({}).create() as Logic<State, LogLine, Output>
  let state = logic.init(`evaluate/${service}`)
  let spent = 0
  for (const lines of passes) {
    const events = eventsOf(service, lines)
    const began = now()
    for (const event of events) state = logic.step(state, event)[0]!
    spent += now() - began
  }
  return spent
}

/** A hundred lines a second: the lines are given without their times. */
function eventsOf(service: string, lines: readonly string[]): Event<LogLine>[] {
  return lines.map((body, at) => ({
    key: `evaluate/${service}`,
    time: 10 * at,
    origin: { stream: `file:${service}`, offset: at, index: 0 },
    value: { type: 'log', environment: 'evaluate', service, severity: 9, body, attributes: {} },
  }))
}
