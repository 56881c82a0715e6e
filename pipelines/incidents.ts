import { group } from '../operators/group/group.ts'
import { type Incident, Signal } from '../operators/signal.ts'
import { incidentEventRow, incidentRow } from '../sinks/rows.ts'
import { type Graph, pipeline } from './pipeline.ts'
import { topics } from './topics.ts'

export interface IncidentsOptions {
  readonly upstream: readonly string[]
  readonly group: Parameters<typeof group>[0]
}

/** What is unusual in an environment, to incidents with their causes. */
export function incidents({ upstream, group: grouping }: IncidentsOptions): Graph {
  const source = { name: 'incidents', topic: topics.anomalies, schema: Signal, upstream } as const
  return pipeline<Signal>(source, signals => {
    signals
      .through('group', group(grouping), { key: ({ environment }) => environment })
      .to('incidents', incidentRow)
      .to('incident_events', incidentEventRow)
      .publish(topics.incidents, { key: idOf, partitionKey: ({ environment }) => environment })
  })
}

const idOf = ({ id }: Incident): string => id
