import { systemClock } from '../clock.ts'
import { masker, secretsIn } from '../configuration/secret.ts'
import { endOnFault, reportingLogger } from '../fault-reports.ts'
import { openSentry } from '../sentry.ts'
import { version } from '../version.ts'
import { type Command, type Context, configured } from './command.ts'
import { configOf, loggerOf } from './configured.ts'

export const run: Command = {
  name: 'run',
  summary: 'Runs the agent: receives telemetry, finds incidents, runs runbooks, and serves the query API.',
  details: [
    'It ends well on SIGTERM and SIGINT: what was read is finished and checkpointed. A second one ends it at once.',
  ],
  flags: configured,
  examples: [
    'ops-agent run',
    'ops-agent run --config ops-agent.yaml --data /var/lib/ops-agent',
    'ops-agent run --set log.in=kafka --set log.brokers=kafka-1:9092,kafka-2:9092',
  ],
  async run(call, context) {
    const config = configOf(call, context)
    const { dsn } = config.sentry
    const mask = masker(secretsIn(config))
    const reports = dsn && openSentry({ dsn: dsn.reveal(), environment: config.environment, release: version(), mask })
    const written = loggerOf(config, context)
    const logger = reports ? reportingLogger(written, reports, systemClock) : written
    const goOn = endOnFault(logger, reports)
    try {
      const { startAgent } = await import('../agent.ts')
      const agent = await startAgent(config, { logger, clock: systemClock })
      logger.info({ version: version(), ...agent.addresses, timeScale: config.timeScale }, 'running')
      await Promise.race([agent.done, stopped(context)])
      if (context.stop.aborted) logger.info({}, 'stopping: finishing what was read')
      await agent.close()
      await agent.done
      logger.info({}, 'stopped')
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

const stopped = ({ stop }: Context): Promise<void> =>
  new Promise(resolve => {
    if (stop.aborted) resolve()
    stop.addEventListener('abort', () => resolve(), { once: true })
  })
