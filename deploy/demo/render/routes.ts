import { z } from 'zod'
import { type Answer, failure } from './answer.ts'
import type { Fleet } from './fleet.ts'
import type { RenderService } from './service.ts'

// Render's endpoints. Shapes are those of Render's OpenAPI document, cut down to what a service of the shop has.

export interface Call {
  fleet: Fleet
  body: unknown
  query: URLSearchParams
}

export type Endpoint = (call: Call) => Answer | Promise<Answer>
type ServiceEndpoint = (service: RenderService, call: Call) => Answer | Promise<Answer>

/** More processes than this per service, and the machine the demo runs on would be the one to suffer. */
const mostInstances = 4

const Scale = z.object({ numInstances: z.int().min(1).max(mostInstances) })

const Criterion = z.object({ enabled: z.boolean(), percentage: z.number().min(1).max(100) })
const Autoscaling = z
  .object({
    enabled: z.boolean(),
    min: z.int().min(1).max(mostInstances),
    max: z.int().min(1).max(mostInstances),
    criteria: z.object({ cpu: Criterion, memory: Criterion }),
  })
  .refine(({ min, max }) => min <= max, 'min is above max')

const serviceEndpoints: Record<string, ServiceEndpoint> = {
  'GET ': service => ({ status: 200, body: describe(service) }),
  'GET /instances': service => ({
    status: 200,
    body: service.instances.map(({ id, createdAt }) => ({ id, createdAt: createdAt.toISOString() })),
  }),
  // The one deploy that started it: restarts and scalings are not deploys.
  'GET /deploys': service => ({ status: 200, body: [{ deploy: firstDeploy(service), cursor: 'first' }] }),
  'POST /scale': (service, { body }) => {
    const parsed = Scale.safeParse(body)
    if (!parsed.success) return failure(400, z.prettifyError(parsed.error))
    // Accepted and ignored: that is how Render does it, and what a client must be prepared for.
    if (!service.autoscaling?.enabled) begin(service.scale(parsed.data.numInstances))
    return { status: 202 }
  },
  'POST /restart': service => {
    if (service.suspended) return failure(400, `service ${service.id} is suspended`)
    begin(service.restart())
    return { status: 200 }
  },
  'POST /suspend': service => {
    begin(service.suspend())
    return { status: 202 }
  },
  'POST /resume': service => {
    begin(service.resume())
    return { status: 202 }
  },
  'PUT /autoscaling': (service, { body }) => {
    const parsed = Autoscaling.safeParse(body)
    if (!parsed.success) return failure(400, z.prettifyError(parsed.error))
    service.autoscaling = parsed.data
    return { status: 200, body: parsed.data }
  },
  'DELETE /autoscaling': service => {
    service.autoscaling = undefined
    return { status: 204 }
  },
}

const listServices: Endpoint = ({ fleet }) => ({
  status: 200,
  body: [...fleet.services.values()].map(service => ({ service: describe(service), cursor: service.id })),
})

const instanceCounts: Endpoint = ({ fleet, query }) => {
  const wanted = query.getAll('resource')
  const found = [...fleet.services.values()].filter(({ id }) => wanted.length === 0 || wanted.includes(id))
  const body = found.map(service => ({
    labels: [{ field: 'resource', value: service.id }],
    unit: 'count',
    values: service.counts.map(({ at, value }) => ({ timestamp: at.toISOString(), value })),
  }))
  return { status: 200, body }
}

/** The endpoint for a request; undefined if Render has none there, or the emulator does not know it. */
export function findRoute(method: string, path: string): Endpoint | undefined {
  if (method === 'GET' && path === '/v1/services') return listServices
  if (method === 'GET' && path === '/v1/metrics/instance-count') return instanceCounts
  const [, id, rest] = /^\/v1\/services\/([^/]+)(\/[^/]+)?$/.exec(path) ?? []
  const endpoint = serviceEndpoints[`${method} ${rest ?? ''}`]
  if (id === undefined || endpoint === undefined) return undefined
  return call => {
    const service = [...call.fleet.services.values()].find(candidate => candidate.id === id)
    return service ? endpoint(service, call) : failure(404, `service not found: ${id}`)
  }
}

/** Render answers before the change is made; whether it was, its instances tell, and trouble is the fleet's to report. */
function begin(change: Promise<void>): void {
  change.catch(() => undefined)
}

const firstDeploy = (service: RenderService) => ({
  id: `dep-demo-${service.name}`,
  status: 'live',
  trigger: 'new_commit',
  createdAt: service.createdAt.toISOString(),
  updatedAt: service.createdAt.toISOString(),
  finishedAt: service.createdAt.toISOString(),
})

const describe = (service: RenderService) => ({
  id: service.id,
  name: service.name,
  slug: service.name,
  type: service.type,
  ownerId: 'tea-demo',
  autoDeploy: 'no',
  suspended: service.suspended ? 'suspended' : 'not_suspended',
  suspenders: service.suspended ? ['user'] : [],
  createdAt: service.createdAt.toISOString(),
  updatedAt: service.updatedAt.toISOString(),
  serviceDetails: {
    numInstances: service.numInstances,
    url: service.proxy.url,
    ...(service.autoscaling ? { autoscaling: service.autoscaling } : {}),
  },
})
