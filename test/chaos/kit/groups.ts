import { setTimeout as wait } from 'node:timers/promises'
import { type Admin, createClient } from '../../../pipelines/sources/kafka-client.ts'
import { eventually } from '../../kit/eventually.ts'
import { recordingLogger } from '../../kit/log.ts'

/** The pipelines of one installation in the order data flows, each with the topic it reads, as Kafka calls it. */
export const pipelinesOf = (prefix: string): { name: string; topic: string }[] => [
  { name: 'entry.telemetry.logs', topic: 'telemetry.logs' },
  { name: 'entry.telemetry.metrics', topic: 'telemetry.metrics' },
  { name: 'logs', topic: `${prefix}ops.logs-by-service` },
  { name: 'metrics', topic: `${prefix}ops.metrics-by-service` },
  { name: 'incidents', topic: `${prefix}ops.anomalies` },
  { name: 'response', topic: `${prefix}ops.incidents` },
]

/** What the broker knows of consumer groups. */
export class Groups {
  readonly #admin: Admin

  private constructor(admin: Admin) {
    this.#admin = admin
  }

  static async connect(broker: string): Promise<Groups> {
    const admin = createClient({ brokers: [broker], clientId: 'chaos', logger: recordingLogger() }).admin()
    await admin.connect()
    return new Groups(admin)
  }

  /** A broker that was killed and came back does not always end the connections of those it forgot. */
  async close(): Promise<void> {
    await Promise.race([this.#admin.disconnect(), wait(5_000, undefined, { ref: false })])
  }

  /** Records behind what the group has committed, in the order of partitions. */
  async lag(groupId: string, topic: string): Promise<number[]> {
    const [ends, [committed]] = await Promise.all([
      this.#admin.fetchTopicOffsets(topic),
      this.#admin.fetchOffsets({ groupId, topics: [topic] }),
    ])
    const done = new Map(committed!.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
    return ends
      .toSorted((a, b) => a.partition - b.partition)
      .map(({ partition, high, low }) => Number(high) - Math.max(Number(low), done.get(partition) ?? -1))
  }

  /**
   * Resolves when every pipeline of the installation has checkpointed the last record of its topic. In the order data
   * flows: when one is done, nothing more comes to the next.
   */
  async drained(group: string, prefix: string, within: number): Promise<void> {
    for (const { name, topic } of pipelinesOf(prefix))
      await eventually(async () => {
        const lag = await this.lag(`${group}.${name}`, topic)
        if (lag.some(behind => behind > 0)) throw new Error(`pipeline ${name} is behind by ${lag.join(', ')} records`)
      }, within)
  }
}
