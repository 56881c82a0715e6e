import { identify } from './identity.ts'
import type { Summary } from './signal.ts'

/**
 * Labels that name one instance of a service and not what it does: another comes with every restart, deploy and scaling
 * (OpenTelemetry resource attributes and what Prometheus and Kubernetes call the same).
 */
const instanceLabels = new Set([
  'service.instance.id',
  'instance',
  'host.name',
  'host.id',
  'host',
  'hostname',
  'k8s.pod.name',
  'k8s.pod.uid',
  'k8s.pod.ip',
  'pod',
  'pod_name',
  'container.id',
  'container_id',
  'container.name',
  'process.pid',
  'pid',
])

/** Labels without those that name an instance, sorted by name. */
export function lastingLabels(labels: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(labels)
    .filter(([name]) => !instanceLabels.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

/**
 * The signal a series belongs to: the same for every instance of a service, so that an instance that was restarted is
 * compared with what its predecessor did, and a signal can clear although the instance that raised it is gone.
 */
export function signalOf({ environment, service, metric, series, labels }: Summary): string {
  const lasting = lastingLabels(labels)
  if (lasting.length === Object.keys(labels).length) return series
  return identify('signal', environment, service, metric, ...lasting.flat())
}
