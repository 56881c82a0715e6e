import type { ServiceCatalogue } from '../operators/services.ts'
import { tumbling } from '../operators/window.ts'
import { type Runbook, rulesOf, triggersOf } from '../runbooks/runbook.ts'
import type { Config } from './config.ts'
import { controls } from './controls.ts'
import { entry } from './entry.ts'
import { incidents } from './incidents.ts'
import { logs } from './logs.ts'
import { metrics } from './metrics.ts'
import type { Graph } from './pipeline.ts'
import { response } from './response.ts'

/** The pipelines of a configuration, from where telemetry enters to where runbooks are asked for. */
export function buildGraphs(config: Config, catalogue: ServiceCatalogue, runbooks: readonly Runbook[]): Graph[] {
  const { detection } = config
  const entries = config.inputs.map(({ topic }) => entry(topic))
  const upstream = entries.map(({ name }) => name)
  const window = tumbling(detection.window)
  const { forgetAfter, score } = detection
  return [
    ...entries,
    logs({ upstream, ...detection, window }),
    metrics({ upstream, window, forgetAfter, forgetSeriesAfter: score.forget, score, rules: rulesOf(runbooks) }),
    incidents({ upstream: ['logs', 'metrics'], group: { ...config.incidents, catalogue } }),
    controls(),
    response({ upstream: ['incidents'], trigger: { runbooks: triggersOf(runbooks) } }),
  ]
}
