import type { DecodeContext } from './decoded.ts'

export type Labels = Record<string, string>

/** Where telemetry comes from. */
export interface Place {
  readonly environment: string
  readonly service: string
}

/** Attributes that name what a service runs as, best first, after `service.name`. */
const workloads = [
  'k8s.deployment.name',
  'k8s.statefulset.name',
  'k8s.daemonset.name',
  'k8s.cronjob.name',
  'k8s.container.name',
  'container.name',
  'k8s.pod.name',
]
const serviceLabels = ['service', 'job', 'app']
const environmentNames = ['deployment.environment.name', 'deployment.environment', 'env', 'environment']

/**
 * Which service of which environment attributes speak of: `service.name`, what it runs as, the host, the labels
 * `service`, `job`, `app`, else `unknown`. `service.namespace` is put before the name with a slash, as OpenTelemetry does
 * for Prometheus' `job`; the name an SDK makes up (`unknown_service:node`) counts only when nothing else tells.
 * @param service named by whoever appended the record: stands in for host and `unknown`
 */
export function placeOf(
  attributes: Readonly<Labels>,
  context: DecodeContext,
  service?: string,
  environment?: string,
): Place {
  const found = serviceOf(attributes, service) ?? 'unknown'
  return {
    environment: firstOf(attributes, environmentNames) ?? environment ?? context.environment,
    service: context.canonicalService?.(found) ?? found,
  }
}

function serviceOf(attributes: Readonly<Labels>, given: string | undefined): string | undefined {
  const name = attributes['service.name']
  const namespace = attributes['service.namespace']
  if (name && !name.startsWith('unknown_service')) return namespace ? `${namespace}/${name}` : name
  for (const workload of workloads) {
    const value = attributes[workload]
    if (value) return workload === 'k8s.pod.name' ? withoutHash(value) : value
  }
  const host = given === undefined ? attributes['host.name'] : undefined
  return host || firstOf(attributes, serviceLabels) || given || name || undefined
}

/**
 * The pods of a deployment are one service: `checkout-7d9f8b6c5-x2x4z` is `checkout`. The letters are those Kubernetes
 * makes names of (k8s.io/apimachinery, util/rand).
 */
const withoutHash = (pod: string): string =>
  pod.replace(/(-[bcdfghjklmnpqrstvwxz2456789]{6,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}$/, '')

function firstOf(attributes: Readonly<Labels>, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = attributes[name]
    if (value) return value
  }
  return undefined
}

/** Resource attributes that tell two instances of a service apart, and so make two series. */
const instanceNames = [
  'service.instance.id',
  'k8s.namespace.name',
  'k8s.pod.name',
  'k8s.node.name',
  'k8s.container.name',
  'container.id',
  'container.name',
  'host.name',
  'host.id',
  'cloud.region',
  'cloud.availability_zone',
]
const instanceAlone = ['service.instance.id', 'k8s.pod.name', 'container.id']

/** The part of a resource that becomes labels; the process id only where nothing else tells processes of a host apart. */
export function instanceLabels(resource: Readonly<Labels>): Labels {
  const labels: Labels = {}
  for (const name of instanceNames) if (resource[name]) labels[name] = resource[name]
  const process = resource['process.pid']
  if (process && firstOf(resource, instanceAlone) === undefined) labels['process.pid'] = process
  return labels
}
