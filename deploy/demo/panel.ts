import { causeIsRight, type Progress } from './follow.ts'
import type { InstanceStatus } from './render/fleet.ts'
import { serviceNames } from './shop/services.ts'

/** What is to be seen at one moment. */
export interface View {
  instances: readonly InstanceStatus[]
  agentRss: number
  /** What the demo is doing now, for example learning. */
  phase: string
  progress: Progress | undefined
  /** The step of the runbook that is under way. */
  step: string | undefined
}

/** Colours a text; without colours, gives it back. */
export type Paint = (format: 'green' | 'yellow' | 'red' | 'bold' | 'dim', text: string) => string

type Health = 'ok' | 'slow' | 'failing' | 'heavy' | 'down'

const slowAbove = 0.3
const heavyAbove = 190e6

interface ServiceView {
  name: string
  health: Health
  instances: number
  requestRate: number
  p95: number
  rss: number
}

/** A service over all of its instances: rates added up, the worst p95, the largest memory. */
function servicesOf(instances: readonly InstanceStatus[]): ServiceView[] {
  return serviceNames.map(name => {
    const own = instances.filter(({ service }) => service === name)
    const p95 = Math.max(0, ...own.map(instance => instance.p95))
    const rss = Math.max(0, ...own.map(instance => instance.rss))
    const requestRate = own.reduce((sum, instance) => sum + instance.requestRate, 0)
    const failing = own.some(({ errorRate }) => errorRate > 0.5)
    const health: Health =
      own.length === 0 ? 'down' : failing ? 'failing' : p95 > slowAbove ? 'slow' : rss > heavyAbove ? 'heavy' : 'ok'
    return { name, health, instances: own.length, requestRate, p95, rss }
  })
}

const milliseconds = (seconds: number): string => `${Math.round(seconds * 1_000)} ms`
const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`

/** The panel of a terminal. */
export function drawPanel(view: View, paint: Paint): string[] {
  const heading = `  ${'service'.padEnd(10)}${'health'.padEnd(10)}${'requests'.padStart(9)}${'p95'.padStart(10)}${'memory'.padStart(9)}  processes`
  const rows = servicesOf(view.instances).map(service => {
    const colour = service.health === 'ok' ? 'green' : service.health === 'heavy' ? 'yellow' : 'red'
    return [
      `  ${service.name.padEnd(10)}`,
      paint(colour, service.health.padEnd(10)),
      `${service.requestRate.toFixed(1)}/s`.padStart(9),
      milliseconds(service.p95).padStart(10),
      megabytes(service.rss).padStart(9),
      `  ${service.instances}`,
    ].join('')
  })
  const agent = `  ${'ops-agent'.padEnd(39)}${megabytes(view.agentRss).padStart(9)}`
  return [
    '',
    paint('dim', heading),
    ...rows,
    paint('dim', agent),
    '',
    paint('bold', view.phase),
    ...incidentLines(view, paint),
    '',
  ]
}

function incidentLines({ progress, step }: View, paint: Paint): string[] {
  if (progress === undefined) return []
  const { incident, cause, run } = progress
  if (incident === undefined) return ['  incident   not detected yet']
  const named = cause
    ? `${cause.service}: ${cause.subject} (${Math.round(cause.confidence * 100)} %)`
    : paint('dim', 'gathering evidence')
  return [
    `  incident   ${paint(incident.state === 'resolved' ? 'green' : 'yellow', incident.state)} ${incident.title}`,
    `  cause      ${cause ? paint(causeIsRight(progress) ? 'green' : 'red', named) : named}`,
    `  runbook    ${run ? `${run.runbook} on ${run.target}: ${run.state}${step ? `, ${step}` : ''}` : paint('dim', 'none yet')}`,
  ]
}

/** The same in one line, where there is no terminal. */
export function summarize(view: View): string {
  const services = servicesOf(view.instances).map(({ name, health, p95, rss }) =>
    name === 'worker' ? `${name} ${health}` : `${name} ${health} ${milliseconds(p95)} ${megabytes(rss)}`,
  )
  return `${view.phase}: ${services.join(', ')}; agent ${megabytes(view.agentRss)}`
}
