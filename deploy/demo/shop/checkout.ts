import { type CreateApplication, euros } from './application.ts'
import { pause } from './pause.ts'

/** Takes an order: charges it, then leaves the confirmation to the worker. */
export const createCheckout: CreateApplication = ({ call, random }) => {
  let orders = 0
  return {
    routes: [
      {
        method: 'POST',
        path: '/orders',
        async handle({ body, trace, log }) {
          const { items } = body as { items: number }
          orders += 1
          const order = `ord-${process.pid}-${orders}`
          const cents = items * 1_999
          await pause(2 + random() * 3)
          const charged = { method: 'POST', service: 'payments', path: '/charges', body: { order, cents } } as const
          await call({ ...charged, trace, timeout: 2_000 })
          const job = { kind: 'confirmation', order }
          await call({ method: 'POST', service: 'worker', path: '/jobs', body: job, trace, timeout: 1_000 })
          log('info', `order ${order} accepted: ${items} items, ${euros(cents)}`)
          return { status: 201, body: { order } }
        },
      },
    ],
    faults: {},
  }
}
