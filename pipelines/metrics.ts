import { rate, seriesOf } from '../operators/rate.ts'
import { score } from '../operators/score/score.ts'
import { Sample, serviceKey } from '../operators/signal.ts'
import { summarize } from '../operators/summarize.ts'
import { type WatchRule, watch } from '../operators/watch.ts'
import type { Windowing } from '../operators/window.ts'
import { anomalyRow, summaryRow } from '../sinks/rows.ts'
import { type Graph, pipeline } from './pipeline.ts'
import { topics } from './topics.ts'

export interface MetricsOptions {
  readonly upstream: readonly string[]
  readonly window: Windowing
  readonly forgetAfter: number
  readonly forgetSeriesAfter: number
  readonly score: Parameters<typeof score>[0]
  /** What runbooks watch, whatever the baseline says of it. */
  readonly rules: readonly WatchRule[]
}

/** Samples of a service to summaries of its series, and to the windows in which they are not as they used to be. */
export function metrics(options: MetricsOptions): Graph {
  const { upstream, window, forgetAfter, forgetSeriesAfter } = options
  const source = { name: 'metrics', topic: topics.metricsByService, schema: Sample, upstream } as const
  return pipeline<Sample>(source, samples => {
    const summaries = samples
      .through('rate', rate({}), { key: seriesOf, forgetAfter: forgetSeriesAfter })
      .through('summarize', summarize({}), { key: seriesOf, window })
      .to('metric_summaries', summaryRow)
    summaries
      .through('score', score(options.score), { key: serviceKey, forgetAfter })
      .merge(summaries.through('watch', watch({ rules: [...options.rules] }), { key: serviceKey, forgetAfter }))
      .to('anomalies', anomalyRow)
      .publish(topics.anomalies, { key: ({ environment }) => environment })
  })
}
