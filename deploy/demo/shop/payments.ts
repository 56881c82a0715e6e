import { type CreateApplication, euros, HttpError } from './application.ts'
import { pause } from './pause.ts'
import { Pool, PoolExhausted } from './pool.ts'

const connections = 6
const acquireTimeout = 1_200
/** While the fault lasts, the bank's side gives a connection up only this long after its charge is done. */
const leakedFor = 1_000

/** Charges cards over a pool of connections to the bank. Fault `slow-dependency`: connections come back far too late. */
export const createPayments: CreateApplication = ({ random, telemetry }) => {
  const pool = new Pool(connections)
  let leaking = false
  let charges = 0
  telemetry.observe('db.client.connection.count', '{connection}', 'up-down', () => pool.size - pool.free)

  const acquire = async (): Promise<() => void> => {
    try {
      return await pool.acquire(acquireTimeout)
    } catch (error) {
      if (error instanceof PoolExhausted) throw new HttpError(503, error.message)
      throw error
    }
  }

  return {
    routes: [
      {
        method: 'POST',
        path: '/charges',
        async handle({ body, log }) {
          const { order, cents } = body as { order: string; cents: number }
          const asked = performance.now()
          const release = await acquire()
          const waited = Math.round(performance.now() - asked)
          if (waited > 200)
            log('warn', `waited ${waited} ms for a bank connection, ${pool.waiting} requests still waiting`)
          await pause(18 + random() * 8)
          if (leaking) setTimeout(release, leakedFor)
          else release()
          charges += 1
          const took = Math.round(performance.now() - asked)
          log('info', `charge ch-${process.pid}-${charges} of ${euros(cents)} for ${order} captured in ${took} ms`)
          return { status: 201, body: { charge: charges } }
        },
      },
    ],
    faults: {
      'slow-dependency': () => {
        leaking = true
      },
    },
  }
}
