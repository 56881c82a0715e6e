import type { Registry } from 'prom-client'
import { systemClock } from '../clock.ts'
import type { Config } from '../config.ts'
import { masker, secretsIn } from '../configuration/secret.ts'
import { endOnFault, reportingLogger } from '../fault-reports.ts'
import { openSentry } from '../sentry.ts'
import type { Logger } from '../sources/logger.ts'
import { version } from '../version.ts'
import type { WorkerSide, Workers } from '../workers.ts'
import { type Call, type Command, CommandError, type Context, configured, UsageError } from './command.ts'
import { configOf, loggerOf } from './configured.ts'

/** How long ending well may take, in milliseconds; what is left is cut off, so that SIGTERM ends us within ten seconds. */
const ENDING = 7_000

/** How long after that a process may live on, in milliseconds: main.ts sees to it. */
const EXIT = 2_000

export const run: Command = {
  name: 'run',
  summary: 'Runs the agent: receives telemetry, finds incidents, runs runbooks, and serves the query API.',
  details: [
    'It ends well on SIGTERM and SIGINT: what was read is finished and checkpointed. A second one ends it at once.',
    'With Kafka and a ClickHouse server it may be one of many. --pipelines names those it runs, as `describe` prints them; entry stands for all that telemetry enters by, runs for the executor. --workers starts further processes of the same kind on this machine; only the first one listens.',
  ],
  flags: [
    {
      name: 'pipelines',
      value: 'NAMES',
      summary: 'Only these pipelines run here, for example entry,logs (default: all).',
    },
    { name: 'workers', value: 'N', summary: 'Processes that share the work on this machine (default 1).' },
    ...configured,
  ],
  examples: [
    'ops-agent run',
    'ops-agent run --config ops-agent.yaml --data /var/lib/ops-agent',
    'ops-agent run --set log.in=kafka --set log.brokers=kafka-1:9092,kafka-2:9092',
    'ops-agent run --config cluster.yaml --pipelines entry,logs,metrics --workers 4',
  ],
  async run(call, context) {
    const config = configOf(call, context)
    const mask = masker(secretsIn(config))
    const { dsn } = config.sentry
    const reports = dsn && openSentry({ dsn: dsn.reveal(), environment: config.environment, release: version(), mask })
    const written = loggerOf(config, context)
    const logger = reports ? reportingLogger(written, reports, systemClock) : written
    const goOn = endOnFault(logger, reports)
    try {
      await runHere(call, context, config, logger)
    } catch (error) {
      if (!isForeseen(error)) reports?.report(error)
      throw error
    } finally {
      goOn()
      await reports?.close()
    }
  },
}

/** Errors with a code say what to do to a person; any other is a fault of ours. */
const isForeseen = (error: unknown): boolean => typeof (error as { code?: unknown } | null)?.code === 'string'

/** Runs as the first process, or as a worker of one. */
async function runHere(call: Call, context: Context, config: Config, logger: Logger): Promise<void> {
  const { workerSide } = await import('../workers.ts')
  const side = workerSide(context.env)
  if (!side) return inTime(context.stop, ENDING, runAgent(call, config, { logger, stop: context.stop }))
  const stop = AbortSignal.any([context.stop, side.stop])
  const around = { logger: withFields(logger, { worker: side.index }), stop, side }
  // It is given less, so that its fate is known to the first process in time.
  await inTime(stop, ENDING - EXIT, runAgent(call, withoutServers(config), around))
}

interface Around {
  readonly logger: Logger
  readonly stop: AbortSignal
  readonly side?: WorkerSide
}

async function runAgent(call: Call, config: Config, { logger, stop, side }: Around): Promise<void> {
  const [{ startAgent }, { startWorkers }] = await Promise.all([import('../agent.ts'), import('../workers.ts')])
  const roles = await rolesOf(call, config)
  const count = await workersOf(call, config)
  let workers: Workers | undefined
  const metrics = (own: Registry): Promise<string> => (workers ? workers.metrics(own) : own.metrics())
  const agent = await startAgent(config, { logger, clock: systemClock, roles, metrics })
  side?.tell(agent.registry)
  if (!side && count > 1) workers = startWorkers(count - 1, { clock: systemClock, logger })
  const about = { version: version(), ...agent.addresses, timeScale: config.timeScale }
  logger.info({ ...about, ...(workers ? { workers: count } : {}) }, side ? 'working' : 'running')
  const bad: string[] = []
  let others: Promise<readonly string[]> | undefined
  try {
    await Promise.race([agent.done, aborted(stop)])
    if (stop.aborted) logger.info({}, 'stopping: finishing what was read')
    others = workers?.close()
    await agent.close()
    await agent.done
  } finally {
    bad.push(...((await (others ?? workers?.close())) ?? []))
  }
  if (bad.length > 0) throw new CommandError(`${bad.join('; ')}; the log says more`)
  logger.info({}, 'stopped')
}

async function rolesOf(call: Call, config: Config): Promise<ReadonlySet<string> | undefined> {
  const text = call.text('pipelines')
  if (text === undefined) return undefined
  const [{ graphsOf }, { executorName, rolesOf: chosen }] = await Promise.all([
    import('../agent.ts'),
    import('../roles.ts'),
  ])
  const all = [...(await graphsOf(config)).map(({ name }) => name), executorName]
  return chosen(
    text.split(',').map(word => word.trim()),
    all,
    config,
  )
}

async function workersOf(call: Call, config: Config): Promise<number> {
  const text = call.text('workers') ?? '1'
  if (!/^[1-9]\d{0,2}$/.test(text))
    throw new UsageError(`--workers '${text}' is no number from 1 to 999; write --workers 4`)
  const count = Number(text)
  const { requireShared } = await import('../roles.ts')
  if (count > 1) requireShared(config, '--workers', `${count - 1} of ${count} could not work`)
  return count
}

/** Of all processes on a machine only the first listens, for a port can be had once. */
const withoutServers = (config: Config): Config => ({
  ...config,
  http: { ...config.http, enabled: false },
  otlp: { ...config.otlp, enabled: false },
})

function withFields(logger: Logger, more: object): Logger {
  const at = (level: keyof Logger) => (fields: object, message: string) =>
    logger[level]({ ...more, ...fields }, message)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

const aborted = (stop: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (stop.aborted) resolve()
    stop.addEventListener('abort', () => resolve(), { once: true })
  })

/** @throws {CommandError} if work goes on for so long after `stop`: a door does not answer, and what waits for it is given up */
async function inTime(stop: AbortSignal, most: number, work: Promise<void>): Promise<void> {
  const ended = new AbortController()
  const late = aborted(stop).then(async () => {
    await systemClock.sleep(most, ended.signal)
    return 'late' as const
  })
  try {
    if ((await Promise.race([work, late])) !== 'late') return
  } finally {
    ended.abort()
  }
  work.catch(() => undefined) // whatever it still meets, it has been given up
  throw new CommandError(
    'stopping: a server did not take what was read in time, so it was given up; it is read again at the next start',
  )
}
