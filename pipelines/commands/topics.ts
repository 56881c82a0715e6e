import { systemClock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Log, TopicSpec } from '../sources/log.ts'
import { ownTopics } from '../topics.ts'
import { type Call, type Command, type Context, configured, json } from './command.ts'
import { configOf, loggerOf } from './configured.ts'
import { columns } from './help.ts'

interface Planned {
  readonly topic: string
  readonly partitions: number
  /** As it is now; null: there is no such topic. */
  readonly existing: number | null
  readonly action: 'none' | 'create' | 'too few partitions' | 'wait for its owner'
}

const plan: Command = {
  name: 'topics plan',
  summary: 'Says which topics exist, which would be created, and which have too few partitions. Changes nothing.',
  flags: [...configured, json],
  examples: ['ops-agent topics plan --set log.in=kafka --set log.brokers=kafka:9092'],
  async run(call, context) {
    const config = configOf(call, context)
    const planned = await withLog(config, context, log => planOf(config, log))
    tell(call, context, planned)
  },
}

const apply: Command = {
  name: 'topics apply',
  summary: 'Creates the topics that are missing.',
  flags: [...configured, json],
  examples: ['ops-agent topics apply --config ops-agent.yaml'],
  async run(call, context) {
    const config = configOf(call, context)
    const planned = await withLog(config, context, async log => {
      await log.ensure(ownTopics(config.inputs, config.log.partitions))
      return planOf(config, log)
    })
    tell(call, context, planned)
  },
}

export const topics: readonly Command[] = [plan, apply]

async function withLog<T>(config: Config, context: Context, work: (log: Log) => Promise<T>): Promise<T> {
  const { openLog } = await import('../doors.ts')
  const { holdDataFolder } = await import('../data-folder.ts')
  const folder = config.log.in === 'embedded' ? await holdDataFolder(config.data) : undefined
  try {
    const log = await openLog(config, { logger: loggerOf(config, context, 'error'), clock: systemClock })
    return await work(log).finally(() => log.close())
  } finally {
    await folder?.release()
  }
}

async function planOf(config: Config, log: Log): Promise<Planned[]> {
  const foreign = config.inputs.filter(input => input.foreign).map(({ topic }) => ({ topic, partitions: 1 }))
  const own = ownTopics(config.inputs, config.log.partitions)
  return Promise.all([
    ...foreign.map(spec => planned(log, spec, 'wait for its owner')),
    ...own.map(spec => planned(log, spec, 'create')),
  ])
}

async function planned(log: Log, { topic, partitions }: TopicSpec, missing: Planned['action']): Promise<Planned> {
  const existing = await log.partitions(topic).catch((error: { reason?: unknown }) => {
    if (error.reason === 'misconfigured' || error.reason === 'rejected') return null
    throw error
  })
  const action = existing === null ? missing : existing < partitions ? 'too few partitions' : 'none'
  return { topic, partitions, existing, action }
}

function tell(call: Call, context: Context, planned: readonly Planned[]): void {
  if (call.is('json')) {
    context.out(`${JSON.stringify(planned)}\n`)
    return
  }
  const rows = planned.map(({ topic, partitions, existing, action }) => [
    topic,
    String(partitions),
    String(existing ?? '-'),
    action,
  ])
  context.out(`${columns(['topic', 'wanted', 'existing', 'action'], rows)}\n`)
}
