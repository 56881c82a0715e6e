import { duration } from '../../operators/window.ts'
import type { Settings } from '../config.ts'

/** Two settings that cannot both be meant. `other` is the second one's path, or empty. */
export interface Contradiction {
  readonly path: string
  readonly other: string
  readonly message: string
}

/** Whether only this machine can reach a host. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)

/** What is wrong with settings that are each right. Each message holds both values and the fix. */
export function contradictions(settings: Settings): Contradiction[] {
  return [...lengths(settings), ...listening(settings), ...kafka(settings), ...passwords(settings)]
}

function* lengths({ detection, incidents }: Settings): Iterable<Contradiction> {
  const least = (path: string, length: number, other: string, than: number, because: string): Contradiction[] =>
    length >= than
      ? []
      : [
          {
            path,
            other,
            message: `${duration(length)} is shorter than ${other} ${duration(than)}, so ${because}; make it at least ${duration(than)}`,
          },
        ]
  const { window } = detection
  if (window < 1) yield { path: 'detection.window', other: '', message: 'a window of no length holds nothing; use 1m' }
  yield* least('incidents.gap', incidents.gap, 'detection.window', window, 'each window would be its own incident')
  yield* least(
    'incidents.resolveAfter',
    incidents.resolveAfter,
    'detection.window',
    window,
    'an incident would be resolved between two windows',
  )
}

function* listening({ http, otlp }: Settings): Iterable<Contradiction> {
  if (http.enabled && otlp.enabled && http.port === otlp.port && http.port !== 0 && http.host === otlp.host)
    yield {
      path: 'http.port',
      other: 'otlp.port',
      message: `${http.port} is also otlp.port ${otlp.port}; give one of them another`,
    }
  if (http.enabled && !isLoopback(http.host) && !http.token && !http.allowAnonymous)
    yield {
      path: 'http.host',
      other: '',
      message: `'${http.host}' is reachable from other machines and http.token is not set; set http.token, or http.allowAnonymous: true`,
    }
}

/** Kafka's own lower limit (`group.min.session.timeout.ms`), as brokers have it unless told otherwise. */
const leastSession = 6_000

function* kafka({ log, timeScale }: Settings): Iterable<Contradiction> {
  if (log.in !== 'kafka') return
  const session = log.sessionTimeout / timeScale
  if (session < leastSession)
    yield {
      path: 'log.sessionTimeout',
      other: 'timeScale',
      message: `${duration(log.sessionTimeout)} divided by timeScale ${timeScale} is ${duration(session)}, and brokers refuse less than 6s; make it at least ${duration(leastSession * timeScale)}`,
    }
  const { username, password } = log.sasl
  if (username && !password)
    yield { path: 'log.sasl.username', other: '', message: `'${username}' has no log.sasl.password; set it` }
  if (Boolean(log.tls.cert) !== Boolean(log.tls.key))
    yield { path: 'log.tls', other: '', message: 'cert and key belong together; set both or neither' }
}

function* passwords({ cache, store }: Settings): Iterable<Contradiction> {
  if (store.in === 'clickhouse' && withPassword(store.url))
    yield { path: 'store.url', other: 'store.password', message: 'holds a password; put it into store.password' }
  if (cache.in === 'redis' && withPassword(cache.url))
    yield { path: 'cache.url', other: 'cache.password', message: 'holds a password; put it into cache.password' }
}

const withPassword = (url: string): boolean => /\/\/[^/]*:[^/]*@/.test(url)
