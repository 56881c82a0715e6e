import type { TopicSpec } from './sources/log.ts'

/** Our own topics. Foreign ones that telemetry arrives in are named in the configuration (`inputs`). */
export const topics = {
  logsByService: 'ops.logs-by-service',
  metricsByService: 'ops.metrics-by-service',
  anomalies: 'ops.anomalies',
  incidents: 'ops.incidents',
  runs: 'ops.runs',
  controls: 'ops.controls',
} as const

/** Where our own receivers put what enters. */
export const entryTopics = { logs: 'telemetry.logs', metrics: 'telemetry.metrics' } as const

/**
 * What must exist before the agent runs. Keys: the first two `environment/service`; anomalies and incidents
 * `environment`; runs `environment/service` of their target, and never compacted, since it is the ledger of effects;
 * controls their id, in one partition, for every process reads them whole and in one order.
 */
export function ownTopics(inputs: readonly { topic: string; foreign: boolean }[], partitions: number): TopicSpec[] {
  const entries = inputs.filter(({ foreign }) => !foreign).map(({ topic }) => ({ topic, partitions }))
  const own = Object.values(topics).map(topic =>
    topic === topics.controls ? { topic, partitions: 1, compacted: true } : { topic, partitions },
  )
  const dead = [...inputs.map(({ topic }) => topic), ...Object.values(topics)]
  return [...entries, ...own, ...dead.map(topic => ({ topic: `${topic}.dead`, partitions: 1 }))]
}
