import type { CreateApplication } from './application.ts'
import { pause } from './pause.ts'

const megabyte = 2 ** 20
const leakPerRequest = 0.75 * megabyte
/** The leak ends here: enough to be seen from far away, too little to hurt the machine the demo runs on. */
const leakLimit = 150 * megabyte
const softLimit = 60 * megabyte
const warnEvery = 2_000

/** Serves products. Fault `memory-leak`: a response cache that nothing is ever evicted from. */
export const createCatalog: CreateApplication = ({ random }) => {
  const retained: Buffer[] = []
  let leaking = false
  let warnedAt = 0

  const retain = (log: (severity: 'warn', body: string) => void): void => {
    const held = retained.length * leakPerRequest
    // Filled, not only allocated: memory counts as resident once it has been written.
    if (leaking && held < leakLimit) retained.push(Buffer.alloc(leakPerRequest, 1))
    if (held < softLimit || Date.now() - warnedAt < warnEvery) return
    warnedAt = Date.now()
    const resident = Math.round(process.memoryUsage.rss() / megabyte)
    log('warn', `memory pressure: ${resident} MiB resident, response cache holds ${retained.length} entries, 0 evicted`)
  }

  return {
    routes: [
      {
        method: 'GET',
        path: '/products/:id',
        async handle({ parameters, log }) {
          const took = 3 + random() * 4
          await pause(took)
          retain(log)
          log('info', `product ${parameters.id} served in ${took.toFixed(1)} ms`)
          return { status: 200, body: { id: parameters.id, price: 1_999 } }
        },
      },
    ],
    faults: {
      'memory-leak': () => {
        leaking = true
      },
    },
  }
}
