import type { CreateApplication } from './application.ts'
import { pause } from './pause.ts'

interface Job {
  kind: string
  order: string
}

const concurrency = 4
const queueLimit = 10_000

/** Works through a queue of small jobs. */
export const createWorker: CreateApplication = ({ random, telemetry }) => {
  const queue: Job[] = []
  let busy = 0
  const duration = telemetry.histogram('messaging.process.duration')
  telemetry.observe('queue.depth', '{message}', 'up-down', () => queue.length + busy)

  const work = async (job: Job): Promise<void> => {
    const took = 15 + random() * 20
    await pause(took)
    duration.record(took / 1_000, { 'messaging.operation.name': job.kind })
    telemetry.log('info', `job ${job.kind} for ${job.order} done in ${took.toFixed(1)} ms`)
  }

  const next = (): void => {
    const job = busy < concurrency ? queue.shift() : undefined
    if (job === undefined) return
    busy += 1
    void work(job).finally(() => {
      busy -= 1
      next()
    })
  }

  return {
    routes: [
      {
        method: 'POST',
        path: '/jobs',
        async handle({ body }) {
          if (queue.length >= queueLimit) return { status: 429, body: { error: 'queue is full' } }
          queue.push(body as Job)
          next()
          return { status: 202, body: { queued: queue.length } }
        },
      },
    ],
    faults: {},
  }
}
