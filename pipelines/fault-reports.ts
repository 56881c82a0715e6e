import type { Clock } from '../operators/clock.ts'
import type { ErrorReports } from './sentry.ts'
import type { Logger } from './sources/logger.ts'

/** The same fault is reported no more often than this, in milliseconds: one bad operator can fail on every event. */
const OFTEN = 60_000

/** Faults whose last report is remembered. */
const REMEMBERED = 200

/** Fields of a log line that say where something failed and hold no telemetry. */
const places = ['pipeline', 'step', 'topic', 'group', 'run'] as const

/**
 * A logger that also reports what it logs at level error, if it bears an `error` that is a fault of ours. Errors with a code
 * of ours are none: they were foreseen and told to a person.
 */
export function reportingLogger(logger: Logger, reports: ErrorReports, clock: Clock): Logger {
  const reported = new Map<string, number>()
  const report = (fields: Readonly<Record<string, unknown>>, message: string): void => {
    const error = faultOf(fields.error)
    if (!error) return
    const name = `${message} ${error.stack?.split('\n').slice(0, 2).join() ?? error.message}`
    if (clock.now() - (reported.get(name) ?? Number.NEGATIVE_INFINITY) < OFTEN) return
    if (reported.size >= REMEMBERED) reported.clear()
    reported.set(name, clock.now())
    const about = places.flatMap(place =>
      fields[place] === undefined ? [] : [[place, String(fields[place])] as const],
    )
    reports.report(error, Object.fromEntries(about))
  }
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error(fields, message) {
      logger.error(fields, message)
      report(fields as Readonly<Record<string, unknown>>, message)
    },
  }
}

/** Texts are stacks: what was thrown is gone, and where is all there is. */
function faultOf(error: unknown): Error | undefined {
  if (typeof error === 'string') return Object.assign(new Error(error.split('\n')[0]), { stack: error })
  if (!(error instanceof Error)) return undefined
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && code.startsWith('OPS_') ? undefined : error
}

/**
 * Has an error that nobody caught logged, masked as every line is, and reported, before it ends the process as it would
 * have anyway. It is ended as a crash ends it: the native code of the embedded store does not outlive an exit in the
 * middle of its work. Answers what undoes it.
 */
export function endOnFault(logger: Logger, reports: ErrorReports | undefined): () => void {
  const end = (error: unknown): void => {
    logger.error({ error }, 'an error that nobody caught: this process ends')
    void Promise.resolve(reports?.close()).finally(() => process.kill(process.pid, 'SIGKILL'))
  }
  process.on('uncaughtException', end)
  return () => void process.off('uncaughtException', end)
}
