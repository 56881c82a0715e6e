import { SinkError } from '../../sinks/store.ts'
import type { Log, TopicSpec } from './log.ts'

/** Topics are asked for that the log does not have. */
export class MissingTopics extends SinkError {
  readonly topics: readonly string[]

  constructor(sink: string, topics: readonly string[], message: string) {
    super(sink, 'misconfigured', message)
    this.topics = topics
  }
}

/** What stands between the topics we need and those the log has. */
export interface TopicPlan {
  readonly missing: readonly TopicSpec[]
  readonly tooFewPartitions: readonly { readonly topic: string; readonly has: number; readonly needs: number }[]
  readonly ok: readonly TopicSpec[]
}

/** Compares; changes nothing. @throws {SinkError} where the log cannot be asked */
export async function planTopics(log: Log, specs: readonly TopicSpec[]): Promise<TopicPlan> {
  const plan = {
    missing: [] as TopicSpec[],
    tooFewPartitions: [] as TopicPlan['tooFewPartitions'][number][],
    ok: [] as TopicSpec[],
  }
  for (const spec of specs) {
    const has = await partitionsOf(log, spec.topic)
    if (has === undefined) plan.missing.push(spec)
    else if (has < spec.partitions) plan.tooFewPartitions.push({ topic: spec.topic, has, needs: spec.partitions })
    else plan.ok.push(spec)
  }
  return plan
}

/**
 * Creates what is missing, and answers what was planned. Partitions are not added: keys would move to others, and away
 * from their state. @throws {SinkError} before anything is created, where a topic has too few
 */
export async function applyTopics(log: Log, specs: readonly TopicSpec[]): Promise<TopicPlan> {
  const plan = await planTopics(log, specs)
  const few = plan.tooFewPartitions.map(({ topic, has, needs }) => `'${topic}' has ${has} and needs ${needs}`)
  if (few.length > 0)
    throw new SinkError(
      `log ${log.address}`,
      'misconfigured',
      `too few partitions: topic ${few.join(', ')}; lower log.partitions, or make the topic anew`,
    )
  if (plan.missing.length > 0) await log.ensure(plan.missing)
  return plan
}

async function partitionsOf(log: Log, topic: string): Promise<number | undefined> {
  try {
    return await log.partitions(topic)
  } catch (error) {
    if (error instanceof MissingTopics) return undefined
    throw error
  }
}
