import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { type Reason, SinkError } from '../../sinks/store.ts'
import { entryHeaders } from '../decode/decoded.ts'
import { otlp } from '../decode/otlp-schema.ts'
import { shapeOf } from '../decode/protobuf.ts'
import { isFields } from '../decode/values.ts'
import type { Log } from './log.ts'
import { type Signal, splitJsonRequest, splitProtobufRequest } from './otlp-split.ts'

// OTLP over HTTP, as opentelemetry-proto's docs/specification.md has it ("OTLP/HTTP").

export interface OtlpReceiverOptions {
  readonly log: Log
  readonly topics: { readonly logs: string; readonly metrics: string }
  readonly host?: string
  /** 0: any free port. */
  readonly port?: number
  /** Bytes of a body, unpacked. Default 20 MiB, what the specification recommends. */
  readonly maxBodyBytes?: number
  /** Bytes of a record. Default 900,000: Kafka's limit of 1 MB counts headers too. */
  readonly maxRecordBytes?: number
}

export interface OtlpReceiver {
  /** Starts to listen; the address it got, `http://127.0.0.1:4318`. */
  listen(): Promise<string>
  /** Answers what is under way, and takes no more. */
  close(): Promise<void>
  /** Empty before `listen`. */
  readonly address: string
}

const unpack = promisify(gunzip)
const json = 'application/json'
const protobuf = 'application/x-protobuf'
/** Seconds after which a sender may try again. */
const retryAfter = 5

/** The answer is no; becomes a google.rpc.Status in the sender's encoding. */
class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * Takes `POST /v1/logs` and `/v1/metrics`, in JSON or protobuf, plain or gzip. A request is answered with 200 once it is
 * durable in the log as un-keyed records with their `content-type`; what of it cannot be read becomes dead letters of
 * that topic. 400: not OTLP, or more in one entry than a record of the log can hold; the other entries are written. 413:
 * too large. 415: another type. 503 with Retry-After: the log cannot be written now.
 */
export function otlpReceiver(options: OtlpReceiverOptions): OtlpReceiver {
  const { host = '127.0.0.1', port = 4318, maxBodyBytes = 20 * 1024 * 1024 } = options
  const server = fastify({ bodyLimit: maxBodyBytes, logger: false, forceCloseConnections: 'idle' })
  let address = ''
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  server.setErrorHandler(refuse)
  server.setNotFoundHandler((request, reply) =>
    refuse(
      new Refusal(404, `'${request.method} ${request.url}': unknown; post to /v1/logs or /v1/metrics`),
      request,
      reply,
    ),
  )
  addRoute(server, 'logs', options, maxBodyBytes)
  addRoute(server, 'metrics', options, maxBodyBytes)
  return {
    get address() {
      return address
    },
    async listen() {
      address = await server.listen({ host, port })
      return address
    },
    close: () => server.close(),
  }
}

function addRoute(server: FastifyInstance, signal: Signal, options: OtlpReceiverOptions, maxBodyBytes: number): void {
  const topic = options.topics[signal]
  const maxRecordBytes = options.maxRecordBytes ?? 900_000
  server.post(`/v1/${signal}`, async (request, reply) => {
    const type = typeOf(request)
    const body = await bodyOf(request, maxBodyBytes)
    const values = type === json ? jsonParts(body, signal, maxRecordBytes) : protobufParts(body, signal, maxRecordBytes)
    const headers = { [entryHeaders.contentType]: type }
    if (values.length > 0) await options.log.append(values.map(value => ({ topic, key: null, value, headers })))
    // An ExportServiceResponse without partialSuccess is an empty message.
    return reply.header('content-type', type).send(Buffer.from(type === json ? '{}' : ''))
  })
}

function typeOf(request: FastifyRequest): typeof json | typeof protobuf {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (type === json || type === protobuf) return type
  throw new Refusal(415, `content-type '${type}': not taken; send ${protobuf} or ${json}`)
}

async function bodyOf(request: FastifyRequest, limit: number): Promise<Buffer> {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (encoding === 'identity' || encoding === '') return body
  if (encoding !== 'gzip') throw new Refusal(415, `content-encoding '${encoding}': not taken; send gzip or none`)
  try {
    return await unpack(body, { maxOutputLength: limit })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit)
    throw new Refusal(400, `the body is no gzip (${(error as Error).message}); correct content-encoding`)
  }
}

const tooLarge = (limit: number): Refusal =>
  new Refusal(413, `the body is larger than ${limit} bytes; send smaller batches`)

/** The request in pieces of the size of a record; none if it holds nothing. */
function jsonParts(body: Buffer, signal: Signal, limit: number): Buffer[] {
  const name = signal === 'logs' ? 'resourceLogs' : 'resourceMetrics'
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw new Refusal(400, `the body is no JSON: ${(error as Error).message}`)
  }
  const list = isFields(value) ? value[name] : null
  if (list === undefined || (Array.isArray(list) && list.length === 0)) return []
  if (!Array.isArray(list)) throw new Refusal(400, `the body has no list '${name}'; send OTLP ${signal}`)
  return splitJsonRequest(value, body, signal, limit)
}

function protobufParts(body: Buffer, signal: Signal, limit: number): Buffer[] {
  const shape = shapeOf(body, signal)
  if (shape === 'empty') return []
  if (shape === signal) return splitProtobufRequest(body, limit)
  const found = shape === 'truncated' ? 'a request that ends too early' : shape === 'none' ? 'no OTLP' : `OTLP ${shape}`
  throw new Refusal(400, `the body is ${found}; send OTLP ${signal} in protobuf`)
}

/** Answers in the sender's encoding, with one sentence. */
function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, message } = answerTo(error)
  if (status === 503) reply.header('retry-after', String(retryAfter))
  const body = { code: grpcCodes[status] ?? 2, message }
  const type = request.headers['content-type']?.startsWith(protobuf) ? protobuf : json
  const content =
    type === json ? Buffer.from(JSON.stringify(body)) : otlp.Status.encode(otlp.Status.create(body)).finish()
  return reply.code(status).header('content-type', type).send(content)
}

/** Codes of google.rpc.Code: invalid argument, not found, internal, unavailable; unknown for the rest. */
const grpcCodes: Record<number, number> = { 400: 3, 404: 5, 413: 3, 415: 3, 500: 13, 503: 14 }

/** Of a log that does not take the records. What it rejects, it would reject again: the sender must not repeat it. */
const statuses: Record<Reason, number> = { unreachable: 503, overloaded: 503, rejected: 400, misconfigured: 500 }

function answerTo(error: unknown): { status: number; message: string } {
  if (error instanceof Refusal) return error
  if (error instanceof SinkError) return { status: statuses[error.reason], message: error.message }
  const { statusCode, message } = error as { statusCode?: number; message: string }
  if (statusCode === 413) return { status: 413, message: 'the body is too large; send smaller batches' }
  return { status: statusCode ?? 500, message }
}
