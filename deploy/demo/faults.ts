import type { ServiceName } from './shop/services.ts'

/** Something that goes wrong in the shop, and what a good operator would make of it. */
export interface Fault {
  /** As the control endpoint of the service knows it. */
  name: string
  service: ServiceName
  /** What happens, for the person watching. */
  story: string
  /** Services whose users notice, because they call it. */
  felt: readonly ServiceName[]
  expected: {
    /** Subjects of the cause, metric names or log patterns: any one of them is right, in the fault's own service. */
    cause: RegExp
    /** Names of the runbooks that heal it; any of them is right. */
    runbooks: readonly string[]
  }
}

/** The faults of the demo, in the order they are injected. A new one is a line here and a function in its service. */
export const faults: readonly Fault[] = [
  {
    name: 'memory-leak',
    service: 'catalog',
    story: 'catalog keeps every response it has ever made',
    felt: ['gateway', 'load'],
    expected: {
      cause: /memory/i,
      runbooks: ['Memory leak'],
    },
  },
  {
    name: 'slow-dependency',
    service: 'payments',
    story: 'payments gets its bank connections back far too late',
    felt: ['checkout', 'gateway', 'load', 'worker'],
    expected: {
      cause: /duration|latency|connection|errors|waited/i,
      runbooks: ['Slow dependency', 'Exhausted connection pool'],
    },
  },
]
