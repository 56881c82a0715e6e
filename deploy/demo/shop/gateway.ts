import type { CreateApplication, Request } from './application.ts'
import type { Target } from './client.ts'

/** The shop's front door. */
export const createGateway: CreateApplication = ({ call }) => {
  const forward = async (request: Request, target: Pick<Target, 'method' | 'service' | 'path' | 'timeout'>) => {
    const started = performance.now()
    const reply = await call({ ...target, body: request.body, trace: request.trace })
    const took = Math.round(performance.now() - started)
    request.log('info', `${target.method} ${target.path} answered ${reply.status} in ${took} ms`)
    return reply
  }
  return {
    routes: [
      {
        method: 'GET',
        path: '/products/:id',
        handle: request =>
          forward(request, {
            method: 'GET',
            service: 'catalog',
            path: `/products/${request.parameters.id}`,
            timeout: 2_000,
          }),
      },
      {
        method: 'POST',
        path: '/checkout',
        handle: request => forward(request, { method: 'POST', service: 'checkout', path: '/orders', timeout: 3_000 }),
      },
    ],
    faults: {},
  }
}
