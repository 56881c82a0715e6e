import { type Change, type LogLine, type Sample, serviceKey, Telemetry } from '../operators/signal.ts'
import { type Graph, pipeline } from './pipeline.ts'
import { topics } from './topics.ts'

/** Telemetry as it arrives, un-keyed and many events a record, to one event a record, by service. */
export function entry(topic: string): Graph {
  return pipeline<Telemetry>({ name: `entry.${topic}`, topic, schema: Telemetry, upstream: [] }, telemetry => {
    telemetry.select('lines', isLine).publish(topics.logsByService, { key: serviceKey })
    telemetry.select('samples', isSample).publish(topics.metricsByService, { key: serviceKey })
    telemetry
      .select('changes', isChange)
      .publish(topics.anomalies, { key: ({ environment }) => environment, marks: false })
  })
}

const isLine = (value: Telemetry): value is LogLine => value.type === 'log'
const isSample = (value: Telemetry): value is Sample => value.type === 'sample'
const isChange = (value: Telemetry): value is Change => value.type === 'change'
