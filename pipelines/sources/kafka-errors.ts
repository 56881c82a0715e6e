import { type Reason, SinkError } from '../../sinks/store.ts'

/** What kafkajs's errors carry, told apart by name and protocol type. */
interface KafkaError extends Error {
  /** Name of the protocol's error code, for example `TOPIC_AUTHORIZATION_FAILED`. */
  readonly type?: string
  /** Of the socket, for example `ECONNREFUSED`. */
  readonly code?: string | number
  readonly broker?: string
  readonly retriable?: boolean
  readonly errors?: readonly KafkaError[]
}

const PROTOCOL: Readonly<Record<string, readonly [reason: Reason, message: string]>> = {
  MESSAGE_TOO_LARGE: ['rejected', 'a record is larger than the topic takes; raise its max.message.bytes'],
  RECORD_LIST_TOO_LARGE: ['rejected', 'a record is larger than a segment of the topic; raise its segment.bytes'],
  INVALID_RECORD: ['rejected', 'a record is not valid for the topic; a compacted topic takes none without a key'],
  INVALID_TIMESTAMP: ['rejected', 'a record’s time is out of what the topic takes'],
  TOPIC_AUTHORIZATION_FAILED: ['misconfigured', 'this user may not use the topic; grant it, or set log.sasl'],
  GROUP_AUTHORIZATION_FAILED: ['misconfigured', 'this user may not use the consumer group; grant it, or set log.group'],
  CLUSTER_AUTHORIZATION_FAILED: [
    'misconfigured',
    'this user may not do that to the cluster; grant it, or set log.sasl',
  ],
  UNKNOWN_TOPIC_OR_PARTITION: ['misconfigured', 'the topic does not exist; run `ops-agent topics apply`'],
  INVALID_REPLICATION_FACTOR: ['misconfigured', 'there are fewer brokers than copies asked for; lower log.replicas'],
  INVALID_TOPIC_EXCEPTION: ['misconfigured', 'the name of the topic is not allowed'],
  POLICY_VIOLATION: ['misconfigured', 'the cluster’s policy forbids it'],
  INVALID_SESSION_TIMEOUT: ['misconfigured', 'the brokers do not allow this log.sessionTimeout'],
  SASL_AUTHENTICATION_FAILED: ['misconfigured', 'user or password is wrong; set log.sasl'],
  UNSUPPORTED_SASL_MECHANISM: ['misconfigured', 'the broker does not offer this mechanism; set log.sasl.mechanism'],
  NOT_ENOUGH_REPLICAS: ['overloaded', 'too few brokers are in sync'],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: ['overloaded', 'too few brokers are in sync'],
}

const SOCKET: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection cut',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'its name could not be looked up',
  EHOSTUNREACH: 'no route to it',
  ETIMEDOUT: 'no answer',
}

/** What to do about brokers that are not there. */
export const START = 'start it or set log.brokers'

/** The error and its causes, outermost first. */
function chain(error: unknown): KafkaError[] {
  const errors: KafkaError[] = []
  for (let at = error; at instanceof Error && !errors.includes(at); at = at.cause) {
    errors.push(at)
    const { errors: parts } = at as KafkaError
    if (parts) errors.push(...parts.flatMap(chain))
  }
  return errors
}

/** The name of the protocol error behind an error of kafkajs, if there is one. */
export function protocolType(error: unknown): string | undefined {
  return chain(error).find(({ type }) => type !== undefined)?.type
}

/** Says what kafkajs met in our words. `address`: the brokers asked; `about`: what was wanted, for example a topic. */
export function toSinkError(error: unknown, address: string, about = ''): SinkError {
  if (error instanceof SinkError) return error
  const errors = chain(error)
  const sink = `kafka ${address}`
  const said = (reason: Reason, message: string) =>
    new SinkError(sink, reason, about === '' ? message : `${about}: ${message}`, { cause: error })
  const known = PROTOCOL[protocolType(error) ?? '']
  if (known) return said(...known)
  if (errors.some(({ name }) => name.includes('SASL')))
    return said('misconfigured', `${errors.at(-1)!.message}; set log.sasl`)
  const socket = errors.find(({ name }) => name.startsWith('KafkaJSConnection'))
  if (socket) return new SinkError(sink, ...connection(socket, address), { cause: error })
  const last = errors.at(-1)
  if (last?.name === 'KafkaJSRequestTimeoutError' || last?.message === 'Broker not connected')
    return said('unreachable', `no answer in time; ${START}`)
  if (last?.name === 'KafkaJSGroupCoordinatorNotFound')
    return said('unreachable', 'no broker coordinates the group yet')
  // The rest are elections, coordinators that are loading, brokers not known yet: waiting helps.
  if (last?.retriable ?? last?.name.startsWith('KafkaJS')) return said('unreachable', last?.message ?? String(error))
  return said('rejected', last?.message ?? String(error))
}

/**
 * The error of an append. Only what the brokers said of the records themselves is `rejected`, for whoever hears that gives
 * them up; what kafkajs falls over while the cluster changes says nothing of them.
 */
export function toAppendError(error: unknown, address: string, about: string): SinkError {
  const failure = toSinkError(error, address, about)
  if (failure.reason !== 'rejected' || PROTOCOL[protocolType(error) ?? '']?.[0] === 'rejected') return failure
  const said = failure.message.slice(`${failure.sink}: rejected: `.length)
  return new SinkError(failure.sink, 'unreachable', said, { cause: error })
}

function connection({ code, message, broker }: KafkaError, address: string): [Reason, string] {
  const text = message.replace(/^Connection error: /, '').split(';')[0]!
  const known = SOCKET[String(code)] ?? (text === 'Connection timeout' ? 'no answer' : undefined)
  const where = broker === undefined || address.split(',').includes(broker) ? '' : `broker ${broker}: `
  if (/SSL|TLS|CERT|certificate/i.test(`${code} ${text}`)) return ['misconfigured', `${where}${text}; set log.tls`]
  if (text === 'Closed connection') return ['unreachable', `${where}connection closed; ${START}, or set log.tls`]
  return ['unreachable', `${where}${known ?? text}; ${START}`]
}

/** Kafka's 64-bit number as one of ours. @throws {RangeError} beyond 2^53 */
export function toOffset(text: string): number {
  const offset = Number(text)
  if (!Number.isSafeInteger(offset)) throw new RangeError(`kafka offset ${text} is beyond 2^53`)
  return offset
}
