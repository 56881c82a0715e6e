import { Incident } from '../operators/signal.ts'
import { trigger } from '../operators/trigger/trigger.ts'
import { type Graph, pipeline } from './pipeline.ts'
import { topics } from './topics.ts'

export interface ResponseOptions {
  readonly upstream: readonly string[]
  readonly trigger: Parameters<typeof trigger>[0]
}

/** Incidents, to the runbooks they ask for and to the verdicts on what those did. */
export function response({ upstream, trigger: triggering }: ResponseOptions): Graph {
  const source = { name: 'response', topic: topics.incidents, schema: Incident, upstream } as const
  return pipeline<Incident>(source, incidents => {
    incidents
      .through('trigger', trigger(triggering), { key: ({ environment }) => environment })
      .publish(topics.runs, { key: ({ target }) => target, marks: false })
  })
}
