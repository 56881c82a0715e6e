import type { Summary } from './signal.ts'

/** A metric's place under a name that rules can use, whatever collector sent it. */
export interface Canonical {
  readonly name: string
  readonly unit: string
  /** The canonical value is `value × scale + offset`. */
  readonly scale: number
  readonly offset: number
  /** Labels that only split one quantity up, to be folded away, and how; `*`: all of them. */
  readonly fold: { readonly labels: readonly string[] | '*'; readonly by: 'mean' | 'sum' } | undefined
  /** Which way is bad; the other way is good news, or none. */
  readonly worse: 'above' | 'both'
}

interface Quantity {
  readonly unit: string
  readonly worse: Canonical['worse']
  /** Units it may arrive in, and how many of its own one of them is. */
  readonly from: Readonly<Record<string, number>>
}

const percent = { '%': 1, percent: 1, '1': 100, 's/s': 100, 'ms/s': 0.1, 'us/s': 1e-4, 'ns/s': 1e-7 }
const ms = { ms: 1, s: 1_000, seconds: 1_000, us: 1e-3, µs: 1e-3, ns: 1e-6, min: 60_000 }
const bytes = {
  ...{ By: 1, B: 1, bytes: 1, kBy: 1e3, MBy: 1e6, GBy: 1e9, KiBy: 1_024, MiBy: 1_048_576, GiBy: 1_073_741_824 },
  ...{ KB: 1_024, MB: 1_048_576, GB: 1_073_741_824 },
}
const frequency = { '1/s': 1, Hz: 1, 'req/s': 1, '1/min': 1 / 60 }

const quantities: Readonly<Record<string, Quantity>> = {
  cpu_usage: { unit: '%', worse: 'both', from: percent },
  memory_usage: { unit: '%', worse: 'above', from: percent },
  memory_bytes: { unit: 'By', worse: 'above', from: bytes },
  disk_usage: { unit: '%', worse: 'above', from: percent },
  latency: { unit: 'ms', worse: 'above', from: ms },
  error_rate: { unit: '%', worse: 'above', from: percent },
  request_rate: { unit: '1/s', worse: 'both', from: frequency },
  queue_depth: { unit: '1', worse: 'above', from: { '1': 1 } },
}

/** Labels that say in which state a processor, memory or disk was, over the years and collectors. */
const stateLabels = ['state', 'mode', 'cpu.mode', 'cpu.state', 'cpu_mode', 'system.cpu.state', 'system.memory.state']
const cpuLabels = ['cpu', 'cpu.logical_number', 'system.cpu.logical_number', 'cpu_logical_number', ...stateLabels]
const userLabels = [...stateLabels, 'process.cpu.state', 'type']

interface Alias {
  readonly name: string
  /** Unit where the sender gives none, neither beside nor in the metric's name. */
  readonly unit: string
  readonly fold?: Canonical['fold']
  /** `idle`: only the idle state counts, and it is what is not used. `used`: of the states only that one counts. */
  readonly state?: 'idle' | 'used'
}

const alias = (given: Alias, ...metrics: string[]): (readonly [string, Alias])[] =>
  metrics.map(metric => [metric, given] as const)

// Metrics without their unit's suffix, dots as underscores: http.server.request.duration and
// http_server_request_duration_seconds are one. Counters stand for their rates, which is what summaries hold.
const aliases = Map.groupBy(
  [
    ...alias(
      { name: 'cpu_usage', unit: '%' },
      ...['cpu_usage', 'cpu_utilization', 'system_cpu_usage', 'process_cpu_usage', 'host_cpu_usage'],
      ...['cpuutilization', 'aws_ec2_cpuutilization', 'docker_cpu_usage', 'render_service_cpu_usage'],
    ),
    ...alias(
      { name: 'cpu_usage', unit: '1', state: 'idle', fold: { labels: cpuLabels, by: 'mean' } },
      'system_cpu_utilization',
    ),
    ...alias(
      { name: 'cpu_usage', unit: 's/s', state: 'idle', fold: { labels: cpuLabels, by: 'mean' } },
      ...['node_cpu', 'system_cpu_time'],
    ),
    ...alias(
      { name: 'cpu_usage', unit: '1', fold: { labels: userLabels, by: 'sum' } },
      ...['process_cpu_utilization', 'container_cpu_utilization', 'k8s_container_cpu_limit_utilization'],
      ...[
        'k8s_pod_cpu_limit_utilization',
        'k8s_pod_cpu_utilization',
        'k8s_node_cpu_utilization',
        'jvm_cpu_recent_utilization',
      ],
    ),
    ...alias(
      { name: 'cpu_usage', unit: 's/s', fold: { labels: [...cpuLabels, ...userLabels], by: 'sum' } },
      ...['container_cpu_usage', 'process_cpu', 'process_cpu_time', 'container_cpu_time', 'k8s_pod_cpu_time'],
    ),
    ...alias(
      { name: 'memory_usage', unit: '%' },
      ...['memory_usage', 'memory_utilization', 'mem_used', 'memory_used', 'host_memory_usage'],
    ),
    ...alias(
      { name: 'memory_usage', unit: '1', state: 'used' },
      ...['system_memory_utilization', 'process_memory_utilization', 'container_memory_utilization'],
      ...['k8s_container_memory_limit_utilization', 'k8s_pod_memory_limit_utilization'],
    ),
    ...alias(
      { name: 'memory_bytes', unit: 'By' },
      ...['memory_bytes', 'memory', 'process_memory_usage', 'process_memory', 'process_resident_memory'],
      ...['container_memory_working_set', 'container_memory_usage', 'container_memory_rss', 'k8s_pod_memory_usage'],
      ...['k8s_pod_memory_working_set', 'process_memory_physical', 'process_runtime_memory', 'memory_rss'],
      ...['memory_usage', 'memory_used', 'system_memory_usage'],
    ),
    ...alias(
      { name: 'disk_usage', unit: '%' },
      ...['disk_usage', 'disk_used', 'disk_utilization', 'disk_space_used', 'filesystem_usage'],
    ),
    ...alias({ name: 'disk_usage', unit: '1' }, 'system_filesystem_utilization'),
    ...alias(
      { name: 'latency', unit: 's' },
      ...['http_server_request_duration', 'http_request_duration', 'http_server_requests', 'request_duration'],
      ...['http_server_request', 'grpc_server_handling', 'rpc_server_call_duration', 'istio_request_duration'],
    ),
    ...alias(
      { name: 'latency', unit: 'ms' },
      ...['http_server_duration', 'rpc_server_duration', 'latency', 'request_latency', 'response_time', 'http_latency'],
    ),
    ...alias({ name: 'error_rate', unit: '%' }, ...['error_rate', 'http_error_rate', 'request_error_rate']),
    ...alias(
      { name: 'request_rate', unit: '1/s', fold: { labels: '*', by: 'sum' } },
      ...[
        'request_rate',
        'http_requests',
        'http_server_requests',
        'http_server_requests_count',
        'http_server_request_duration_count',
      ],
      ...['http_server_duration_count', 'requests', 'requests_per_second', 'http_request_duration_count', 'rps', 'qps'],
    ),
    ...alias(
      { name: 'queue_depth', unit: '1' },
      ...['queue_depth', 'queue_length', 'queue_size', 'rabbitmq_queue_messages', 'rabbitmq_queue_messages_ready'],
      ...['rabbitmq_message_current', 'kafka_consumergroup_lag', 'kafka_consumer_group_lag', 'messaging_queue_depth'],
      ...['celery_queue_length', 'sidekiq_queue_size', 'bull_queue_waiting', 'jobs_waiting', 'queue_messages'],
    ),
  ],
  ([metric]) => metric,
)

const suffixes: readonly (readonly [string, string])[] = [
  ...([
    ['_seconds', 's'],
    ['_milliseconds', 'ms'],
    ['_ms', 'ms'],
    ['_microseconds', 'us'],
  ] as const),
  ...([
    ['_bytes', 'By'],
    ['_megabytes', 'MBy'],
    ['_ratio', '1'],
    ['_percent', '%'],
    ['_percentage', '%'],
    ['_pct', '%'],
  ] as const),
]

/** The metric without its unit's suffix, and that unit: `cpu_usage_percent` is `cpu_usage` in `%`. */
function baseOf(metric: string): { base: string; unit: string } {
  const plain = metric
    .toLowerCase()
    .replaceAll('.', '_')
    .replace(/_total$/, '')
  // A histogram's count is named by the unit of its observations and has another.
  if (plain.endsWith('_count')) return { base: `${baseOf(plain.slice(0, -6)).base}_count`, unit: '' }
  for (const [suffix, unit] of suffixes)
    if (plain.endsWith(suffix)) return { base: plain.slice(0, -suffix.length), unit }
  return { base: plain, unit: '' }
}

function unitOf(given: string, named: string, assumed: string): string {
  if (given.startsWith('{')) return given.endsWith('/s') ? '1/s' : '1'
  if (given === '') return named === '' ? assumed : named
  if (given !== '1/s') return given
  // The rate of a counter that came without a unit.
  const counted = named === '' ? assumed : `${named}/s`
  return counted.endsWith('/s') ? counted : given
}

/**
 * The canonical name of a metric and how to convert its summaries to it; undefined if it is not known, if its unit is
 * none of that quantity, or if its labels make it a part that must not count (the processor's time in `user` where the
 * time in `idle` says it all). A metric with a canonical name is itself an alias of it.
 */
export function canonical(
  metric: string,
  unit: string,
  labels: Readonly<Record<string, string>> = {},
): Canonical | undefined {
  const { base, unit: named } = baseOf(metric)
  // One name may stand for two quantities, told apart by unit: memory_usage in percent or in bytes.
  const candidates = (aliases.get(base) ?? []).map(([, alias]) => ({
    found: alias,
    factor: quantities[alias.name]!.from[unitOf(unit, named, alias.unit)],
  }))
  const match = candidates.find(({ factor }) => factor !== undefined)
  if (match?.factor === undefined) return undefined
  const { found, factor } = match
  const quantity = quantities[found.name]!
  const state = stateLabels.map(label => labels[label]).find(value => value !== undefined)
  if (found.state !== undefined && state !== undefined && state !== found.state) return undefined
  const complement = found.state === 'idle' && state !== undefined
  const { name, fold } = found
  const conversion = complement ? { scale: -factor, offset: 100 } : { scale: factor, offset: 0 }
  return { name, unit: quantity.unit, ...conversion, fold, worse: quantity.worse }
}

/** A summary under a canonical name, in its unit. */
export interface CanonicalSummary {
  readonly canonical: Canonical
  readonly value: number
  readonly min: number
  readonly max: number
  readonly p50: number
  readonly p95: number
  /** Its labels without those that are folded away: what is equal in them is one quantity. */
  readonly labels: Record<string, string>
}

/** The summary in terms of the canonical metric `name`; undefined if it is none of it. `value` is its mean. */
export function toCanonical(summary: Summary, name: string): CanonicalSummary | undefined {
  const known = canonical(summary.metric, summary.unit, summary.labels)
  if (known === undefined || known.name !== name) return undefined
  const convert = (value: number): number => value * known.scale + known.offset
  const [min, max] = known.scale < 0 ? [summary.max, summary.min] : [summary.min, summary.max]
  const over = known.fold?.labels ?? []
  const kept = Object.entries(summary.labels).filter(([label]) => over !== '*' && !over.includes(label))
  return {
    canonical: known,
    value: convert(summary.mean),
    min: convert(min),
    max: convert(max),
    p50: convert(summary.p50),
    // Where more means less, the 95th percentile is not known; the median is the honest stand-in.
    p95: convert(known.scale < 0 ? summary.p50 : summary.p95),
    labels: Object.fromEntries(kept),
  }
}

/** The canonical names, for messages and documents. */
export const canonicalNames: readonly string[] = Object.keys(quantities)
