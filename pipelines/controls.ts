import { Control, type Silence } from '../operators/control.ts'
import { controlRow } from '../sinks/rows.ts'
import { type Graph, pipeline } from './pipeline.ts'
import { topics } from './topics.ts'

/** What people told the system, to its table; silences also among the signals of their environment, in their order. */
export function controls(): Graph {
  const source = { name: 'controls', topic: topics.controls, schema: Control, upstream: [] } as const
  return pipeline<Control>(source, told => {
    told.to('controls', controlRow)
    told
      .select('silences', isSilence)
      .publish(topics.anomalies, { key: ({ environment }) => environment, marks: false })
  })
}

const isSilence = (value: Control): value is Silence => value.type === 'silence'
