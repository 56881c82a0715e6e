import type { CreateApplication } from './application.ts'
import { newTrace } from './client.ts'

const requestsPerSecond = 24
/** Of a hundred visitors so many buy. */
const buyers = 35
const reportEvery = 5_000

/** The shop's customers: a steady stream of page views and orders. */
export const createLoad: CreateApplication = ({ call, random, telemetry, recent }) => {
  const visit = async (): Promise<void> => {
    const trace = newTrace()
    const buying = random() * 100 < buyers
    const target = buying
      ? ({ method: 'POST', path: '/checkout', body: { items: 1 + Math.floor(random() * 4) } } as const)
      : ({ method: 'GET', path: `/products/${1 + Math.floor(random() * 200)}` } as const)
    const started = performance.now()
    const failed = await call({ ...target, service: 'gateway', trace, timeout: 4_000 }).then(
      () => false,
      () => true,
    )
    recent.add((performance.now() - started) / 1_000, failed)
  }

  const report = (): void => {
    const { requestRate, errorRate, p95 } = recent.read()
    const numbers = `${requestRate.toFixed(1)} requests/s, p95 ${Math.round(p95 * 1_000)} ms`
    telemetry.log('info', `customers: ${numbers}, ${errorRate.toFixed(1)} failures/s`)
  }

  return {
    routes: [],
    faults: {},
    start() {
      const visits = setInterval(() => void visit(), 1_000 / requestsPerSecond)
      const reports = setInterval(report, reportEvery)
      return () => {
        clearInterval(visits)
        clearInterval(reports)
      }
    },
  }
}
