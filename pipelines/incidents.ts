import type { Suppressed } from '../operators/control.ts'
import { group } from '../operators/group/group.ts'
import { type Incident, Signal } from '../operators/signal.ts'
import { incidentEventRow, incidentRow, suppressionRow } from '../sinks/rows.ts'
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
    const grouped = signals.through('group', group(grouping), { key: ({ environment }) => environment })
    grouped.select('suppressed', isSuppressed).to('suppressions', suppressionRow)
    grouped
      .select('incidents', isIncident)
      .to('incidents', incidentRow)
      .to('incident_events', incidentEventRow)
      .publish(topics.incidents, { key: idOf, partitionKey: ({ environment }) => environment })
  })
}

const idOf = ({ id }: Incident): string => id

export const isSuppressed = (value: Incident | Suppressed): value is Suppressed => 'type' in value
export const isIncident = (value: Incident | Suppressed): value is Incident => !isSuppressed(value)
