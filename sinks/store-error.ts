import { parseError } from '@clickhouse/client'
import { connectionTrouble, isTlsTrouble } from './network.ts'
import { type Reason, SinkError } from './store.ts'

/** The settings a message about this store names. */
export interface Settings {
  /** What starts it or leads to it: `start it or set store.url`. */
  readonly reach: string
  readonly credentials: string
  readonly timeout: string
}

// Error codes of ClickHouse, from its src/Common/ErrorCodes.cpp, by what can be done about them.
const overloaded = new Set([
  75, // CANNOT_WRITE_TO_FILE_DESCRIPTOR, of a disk that is full or gone
  76, // CANNOT_OPEN_FILE
  159, // TIMEOUT_EXCEEDED
  160, // TOO_SLOW
  173, // CANNOT_ALLOCATE_MEMORY
  202, // TOO_MANY_SIMULTANEOUS_QUERIES
  209, // SOCKET_TIMEOUT
  225, // NO_ZOOKEEPER
  236, // ABORTED, which a server says while it shuts down
  241, // MEMORY_LIMIT_EXCEEDED
  242, // TABLE_IS_READ_ONLY, while a replica has lost its keeper
  243, // NOT_ENOUGH_SPACE
  252, // TOO_MANY_PARTS
  285, // TOO_FEW_LIVE_REPLICAS
  319, // UNKNOWN_STATUS_OF_INSERT
  394, // QUERY_WAS_CANCELLED
  425, // SYSTEM_ERROR
  439, // CANNOT_SCHEDULE_TASK
  745, // SERVER_OVERLOADED
  999, // KEEPER_EXCEPTION
  1001, // STD_EXCEPTION, of the file system
])
const unreachable = new Set([
  210, // NETWORK_ERROR
  279, // ALL_CONNECTION_TRIES_FAILED
])
const misconfigured = new Map([
  [60, 'run the migrations'], // UNKNOWN_TABLE
  [81, 'create it or set store.database'], // UNKNOWN_DATABASE
  [164, 'give the user the right to write'], // READONLY
  [497, 'give the user the right to it'], // ACCESS_DENIED
  [115, 'it needs a newer ClickHouse'], // UNKNOWN_SETTING
])
const credentials = new Set([
  192, // UNKNOWN_USER
  193, // WRONG_PASSWORD
  194, // REQUIRED_PASSWORD
  516, // AUTHENTICATION_FAILED
])

/** What ClickHouse calls its errors about values it was given. */
const ABOUT_ROWS = new RegExp(
  [
    '^CANNOT_(PARSE|CONVERT|INSERT_(NULL|VALUE)|READ_(ARRAY|MAP|ALL_DATA)|SKIP_UNKNOWN)',
    '^(INCORRECT_DATA|TYPE_MISMATCH|UNEXPECTED_DATA|SYNTAX_ERROR|VIOLATED_CONSTRAINT|UNKNOWN_ELEMENT_OF_ENUM)',
    '(_OUT_OF_BOUND|_OUT_OF_RANGE_OF_DATA_TYPE|DECIMAL_OVERFLOW|THROW_IF_VALUE_IS_NON_ZERO)$',
    '^(TOO_LARGE_(ARRAY|STRING)_SIZE|INVALID_PARTITION_VALUE|SIZES_OF_|NUMBER_OF_DIMENSIONS|NO_SUCH_COLUMN_IN_TABLE)',
  ].join('|'),
)

/**
 * The error of an insert. Only what was said of the rows themselves is `rejected`, for whoever hears that gives them up;
 * with anything else that is not known here the store has a trouble of its own.
 */
export function insertError(error: SinkError): SinkError {
  const { type } = (error.cause ?? {}) as { type?: unknown }
  if (error.reason !== 'rejected' || ABOUT_ROWS.test(String(type))) return error
  const said = error.message.slice(`${error.sink}: rejected: `.length)
  return new SinkError(error.sink, 'overloaded', said, { cause: error.cause })
}

/** What the store said, as an error that tells whether waiting can help and names what to change. */
export function storeError(address: string, settings: Settings, error: unknown): SinkError {
  if (error instanceof SinkError) return error
  const { reason, message } = explain(settings, error instanceof Error ? error : new Error(String(error)))
  return new SinkError(`clickhouse ${address}`, reason, message, { cause: error })
}

interface ServerError extends Error {
  readonly code: string
  readonly type: string | undefined
}

/** By shape: the embedded connection throws the class of another package than the client's. */
const isServerError = (error: Error): error is ServerError =>
  'type' in error && 'code' in error && /^\d+$/.test(String(error.code))

function explain(settings: Settings, error: Error & { code?: unknown }): { reason: Reason; message: string } {
  if (isServerError(error)) return explainCode(settings, error)
  const trouble = connectionTrouble(error)
  if (trouble) return { reason: 'unreachable', message: `${trouble}; ${settings.reach}` }
  if (/^Timeout error/.test(error.message))
    return { reason: 'unreachable', message: `no answer in time; ${settings.reach}, or raise ${settings.timeout}` }
  if (isTlsTrouble(error)) return { reason: 'misconfigured', message: `${oneLine(error.message)}; ${settings.reach}` }
  if (error instanceof AnswerCut || /^it has been closed|is closed$/.test(error.message))
    return { reason: 'unreachable', message: error.message }
  // What is left was said by something between us and the server: a proxy's page, an empty answer.
  return {
    reason: 'unreachable',
    message: `answered something that is not ClickHouse's: '${oneLine(error.message)}'; ${settings.reach}`,
  }
}

function explainCode(settings: Settings, error: ServerError): { reason: Reason; message: string } {
  const code = Number(error.code)
  const said = `${oneLine(error.message)} (${error.type ?? 'code'} ${error.code})`
  if (overloaded.has(code)) return { reason: 'overloaded', message: said }
  if (unreachable.has(code)) return { reason: 'unreachable', message: said }
  if (credentials.has(code)) return { reason: 'misconfigured', message: `${said}; set ${settings.credentials}` }
  const advice = misconfigured.get(code)
  if (advice) return { reason: 'misconfigured', message: `${said}; ${advice}` }
  return { reason: 'rejected', message: said }
}

/** One line, short: a server quotes the rows it cannot read, and those may be long and are not ours to spread. */
function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > 300 ? `${line.slice(0, 300)}…` : line
}

class AnswerCut extends Error {}

/** The error in what stands where a row should: the server's own message, or that the answer was cut short. */
export function errorAtTheEnd(rest: string): Error {
  if (/DB::Exception|__exception__/.test(rest)) {
    const error = parseError(rest.replaceAll('__exception__', ''))
    if (isServerError(error)) return error
  }
  return new AnswerCut('the answer was cut short')
}
