import type { KafkaMessage } from './kafka-client.ts'
import { toOffset } from './kafka-errors.ts'
import type { LogRecord } from './log.ts'

/** A message as kafkajs gives it, as a record. Keys and headers are taken as UTF-8; of a repeated header, the last. */
export function toLogRecord(topic: string, partition: number, message: KafkaMessage): LogRecord {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(message.headers ?? {})) {
    const last = Array.isArray(value) ? value.at(-1) : value
    headers[name] = last === undefined || last === null ? '' : last.toString()
  }
  return {
    topic,
    partition,
    offset: toOffset(message.offset),
    appendedAt: Number(message.timestamp),
    key: message.key === null ? null : message.key.toString(),
    value: message.value,
    headers,
  }
}
