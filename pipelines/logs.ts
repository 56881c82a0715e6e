import type { z } from 'zod'
import { cluster } from '../operators/cluster/cluster.ts'
import { count, countKey } from '../operators/count.ts'
import type { Event } from '../operators/operator.ts'
import { sample } from '../operators/sample.ts'
import { scoreCounts } from '../operators/score/score-counts.ts'
import { LogLine, type Pattern, type PatternedLine, type Sampling, serviceKey } from '../operators/signal.ts'
import { tumbling, type Windowing } from '../operators/window.ts'
import { anomalyRow, logLineRow, patternCountRow, patternRow, samplingRow } from '../sinks/rows.ts'
import type { Row } from '../sinks/store.ts'
import { type Graph, pipeline } from './pipeline.ts'
import { topics } from './topics.ts'

export interface LogsOptions {
  readonly upstream: readonly string[]
  readonly window: Windowing
  readonly forgetAfter: number
  readonly cluster: Parameters<typeof cluster>[0]
  readonly sample: z.output<typeof sample.definition.config>
  readonly scoreCounts: Parameters<typeof scoreCounts>[0]
}

/** Lines of a service to patterns, their counts, and the windows in which those are not as they used to be. */
export function logs(options: LogsOptions): Graph {
  const { upstream, window, forgetAfter, sample: sampling } = options
  const source = { name: 'logs', topic: topics.logsByService, schema: LogLine, upstream } as const
  return pipeline<LogLine>(source, lines => {
    const clustered = lines.through('cluster', cluster(options.cluster), { key: serviceKey, forgetAfter })
    clustered.late<LogLine>().to('log_lines', withoutPattern)
    const patterned = clustered.select('lines', isLine)
    // What is counted comes before it: a storm changes no count and hides no pattern.
    const kept = patterned.through('sample', sample(sampling), { key: serviceKey, window: tumbling(sampling.slot) })
    kept.select('kept', isLine).to('log_lines', logLineRow)
    kept.select('sampling', isSampling).to('log_sampling', samplingRow)
    const patterns = clustered.select('patterns', isPattern).to('log_patterns', patternRow)
    const counts = patterned.through('count', count({}), { key: countKey, window }).to('log_counts', patternCountRow)
    patterns
      .merge(counts)
      .through('score', scoreCounts(options.scoreCounts), { key: serviceKey, forgetAfter })
      .to('anomalies', anomalyRow)
      .publish(topics.anomalies, { key: ({ environment }) => environment })
  })
}

/** A line that came too late to be given a pattern is kept all the same. */
const withoutPattern = (event: Event<LogLine>): Row =>
  logLineRow({ ...event, value: { ...event.value, type: 'line', pattern: '' } })

const isLine = (value: Pattern | PatternedLine | Sampling): value is PatternedLine => value.type === 'line'
const isSampling = (value: PatternedLine | Sampling): value is Sampling => value.type === 'sampling'
const isPattern = (value: Pattern | PatternedLine): value is Pattern => value.type === 'pattern'
