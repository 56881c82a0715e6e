import type { z } from 'zod'
import { cluster } from './cluster/cluster.ts'
import { count } from './count.ts'
import { group } from './group/group.ts'
import type { Definition } from './operator.ts'
import { rate } from './rate.ts'
import { sample } from './sample.ts'
import { score } from './score/score.ts'
import { scoreCounts } from './score/score-counts.ts'
import { summarize } from './summarize.ts'
import { trigger } from './trigger/trigger.ts'
import { watch } from './watch.ts'

/** Every operator once, in the order in which telemetry meets them. The command line and the shared tests read it. */
export const catalogue: readonly Definition<z.ZodType, unknown, unknown, unknown>[] = [
  // Logs: lines to patterns and to what is kept of them, patterns to counts, counts to anomalies.
  cluster.definition,
  sample.definition,
  count.definition,
  scoreCounts.definition,
  // Metrics: points to what happened between them, to summaries, to anomalies.
  rate.definition,
  summarize.definition,
  score.definition,
  watch.definition,
  // Incidents: anomalies to outages, causes and runbooks.
  group.definition,
  trigger.definition,
]
