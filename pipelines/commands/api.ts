import { existsSync } from 'node:fs'
import type { ApiHooks } from '../../sinks/api.ts'
import type { Store } from '../../sinks/store.ts'
import { systemClock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Logger } from '../sources/logger.ts'
import { version } from '../version.ts'
import { CommandError, UsageError } from './command.ts'

/** An agent's API, whether it listens somewhere or is opened in this process over the store. */
export interface Api {
  get<T>(path: string): Promise<T>
  post<T>(path: string, body: object): Promise<T>
}

/** What the API answers when it cannot do what it was asked. */
interface Failure {
  readonly error?: { readonly code: string; readonly message: string }
}

/** The API of a running agent. */
export function remoteApi(url: string, token: string | undefined): Api {
  const call = async <T>(path: string, init: RequestInit): Promise<T> => {
    const headers = {
      accept: 'application/json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(init.headers ?? {}),
    }
    const response = await fetch(new URL(path, url), { ...init, headers, signal: AbortSignal.timeout(30_000) }).catch(
      error => {
        const code = (error.cause as { code?: string } | undefined)?.code ?? error.message
        throw new CommandError(`agent ${url}: unreachable (${code}); start it with ops-agent run, or correct --api`, {
          cause: error,
        })
      },
    )
    return read<T>(url, response.status, await response.text())
  }
  return {
    get: path => call(path, {}),
    post: (path, body) =>
      call(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  }
}

/** Reads an answer; one that says no becomes the sentence it gives. */
export function read<T>(from: string, status: number, text: string): T {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new CommandError(`agent ${from}: answered ${status} and no JSON; is it an ops-agent?`)
  }
  if (status < 400) return body as T
  const { code, message = `agent ${from}: answered ${status}` } = (body as Failure).error ?? {}
  throw code === 'OPS_REQUEST' ? new UsageError(message) : new CommandError(message)
}

/** The running agent of a configuration. @throws {CommandError} if there is none */
export async function agentOf(config: Config, url: string | undefined): Promise<Api> {
  const token = config.http.token?.reveal()
  if (url !== undefined) return remoteApi(url, token)
  const { holderOf } = await import('../doors.ts')
  const holder = await holderOf(config)
  if (holder) return remoteApi(holder, token)
  if (config.log.in === 'embedded')
    throw new CommandError(`no agent runs on data folder '${config.data}'; start it with ops-agent run`)
  return remoteApi(`http://${config.http.host}:${config.http.port}`, token)
}

/** Asks what can tell about incidents: the agent of a configuration if one runs, else the store itself, opened here. */
export async function withReader<T>(
  config: Config,
  url: string | undefined,
  work: (api: Api) => Promise<T>,
): Promise<T> {
  const { holderOf, withStore } = await import('../doors.ts')
  const holder = url ?? (config.store.in === 'embedded' ? await holderOf(config) : undefined)
  if (holder) return work(remoteApi(holder, config.http.token?.reveal()))
  if (config.store.in === 'embedded') expectData(config)
  return withStore(config, store => withOwnApi(store, {}, work))
}

/** As `withReader`, for what is done with the log: by the agent of a configuration if one runs, else here. */
export async function withReplayer<T>(
  config: Config,
  url: string | undefined,
  logger: Logger,
  work: (api: Api) => Promise<T>,
): Promise<T> {
  const { holderOf, holdOwnFolder, openLog, openStore } = await import('../doors.ts')
  const { replayDead } = await import('../dead-replay.ts')
  const holder = url ?? (config.store.in === 'embedded' || config.log.in === 'embedded' ? await holderOf(config) : '')
  if (holder) return work(remoteApi(holder, config.http.token?.reveal()))
  if (config.store.in === 'embedded' || config.log.in === 'embedded') expectData(config)
  const folder = await holdOwnFolder(config)
  const opened: (() => Promise<unknown>)[] = [async () => folder?.release()]
  try {
    const clock = systemClock
    const log = await openLog(config, { clock, logger })
    opened.push(() => log.close())
    const store = await openStore(config)
    opened.push(() => store.close())
    return await withOwnApi(store, { replayDead: request => replayDead({ log, store, clock }, request) }, work)
  } finally {
    for (const close of opened.reverse()) await close()
  }
}

function expectData({ data }: Config): void {
  if (!existsSync(data))
    throw new CommandError(`data folder '${data}': there is none; start ops-agent run, or correct --data`)
}

/** The API over a store that is open in this process. */
async function withOwnApi<T>(store: Store, hooks: ApiHooks, work: (api: Api) => Promise<T>): Promise<T> {
  const { buildApi } = await import('../../sinks/api.ts')
  const { migrate } = await import('../../sinks/migrate.ts')
  await migrate(store)
  const app = await buildApi({ store, version: version(), hooks })
  const call = async <R>(method: 'GET' | 'POST', path: string, body?: object): Promise<R> => {
    const answer = await app.inject({ method, url: path, ...(body ? { payload: body } : {}) })
    return read<R>(store.address, answer.statusCode, answer.body)
  }
  const api: Api = {
    get: path => call('GET', path),
    post: (path, body) => call('POST', path, body),
  }
  return work(api).finally(() => app.close())
}
