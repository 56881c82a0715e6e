import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Registry } from 'prom-client'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Clock } from '../operators/clock.ts'
import { ServiceCatalogue } from '../operators/services.ts'
import { logAnalysis } from '../runbooks/actions/log-analysis.ts'
import { render } from '../runbooks/actions/render.ts'
import { shell } from '../runbooks/actions/shell.ts'
import { wait } from '../runbooks/actions/wait.ts'
import { Executor } from '../runbooks/execute.ts'
import { loadRunbooks } from '../runbooks/load.ts'
import { encodeRecord } from '../runbooks/record.ts'
import { adapt, type Runbook } from '../runbooks/runbook.ts'
import { Secrets } from '../runbooks/secrets.ts'
import { type ApiControls, type ApiHooks, buildApi, type Readiness, type RunDecision } from '../sinks/api.ts'
import { HttpError } from '../sinks/http-error.ts'
import { migrate } from '../sinks/migrate.ts'
import { lookIntoLogs } from '../sinks/search/look-into-logs.ts'
import type { Store } from '../sinks/store.ts'
import type { Config } from './config.ts'
import { isLoopback } from './configuration/contradictions.ts'
import { ConfigError } from './configuration/load.ts'
import { secretsIn } from './configuration/secret.ts'
import { Board } from './controls/board.ts'
import { catalogueOf } from './controls/catalogue.ts'
import { controlDesk } from './controls/desk.ts'
import { inTurn, replayDead } from './dead-replay.ts'
import { observeDoors } from './doors/door-metrics.ts'
import type { Guard } from './doors/guard.ts'
import { guardedCache, guardedLog, guardedStore } from './doors/guarded.ts'
import { type Door, lookAt, lookWithin } from './doors/look.ts'
import { type Guards, guardsOf, holdOwnFolder, openCache, openLog, openStore } from './doors.ts'
import { buildGraphs } from './graphs.ts'
import { detectInLines } from './handed-lines.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Graph } from './pipeline.ts'
import { executorName } from './roles.ts'
import { groupOf, type Running, startPipelines } from './running.ts'
import { RunsReader, runsDoors } from './runs.ts'
import { Pulse } from './runtime/pulse.ts'
import { announceSampling } from './sampling-notices.ts'
import type { Log } from './sources/log.ts'
import type { Logger } from './sources/logger.ts'
import { otlpReceiver } from './sources/otlp-http.ts'
import { observePipelines } from './telemetry.ts'
import { entryTopics, ownTopics, topics } from './topics.ts'
import { version } from './version.ts'

export interface AgentOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Names of the pipelines to run, the executor's among them; absent: all. */
  readonly roles?: ReadonlySet<string> | undefined
  /** What `/metrics` answers, given the metrics of this process; absent: just these. */
  readonly metrics?: (own: Registry) => Promise<string>
}

/** A running agent. */
export interface Agent {
  /** Where it listens; what is switched off is not there. */
  readonly addresses: { readonly api?: string; readonly otlp?: string }
  readonly registry: Registry
  ready(): Promise<Readonly<Record<string, Readiness>>>
  /** Rejects when the agent ends by an error; resolves after `close`. */
  readonly done: Promise<void>
  /** Finishes what was read, writes checkpoints, and lets go of everything. */
  close(): Promise<void>
}

/** What the files named by a configuration hold, as this process uses it. */
export interface Loaded {
  readonly catalogue: ServiceCatalogue
  readonly runbooks: readonly Runbook[]
}

/** However time is scaled, in milliseconds: whoever listens counts real seconds. */
const SHORTEST_BEAT = 1_000

const builtin = fileURLToPath(new URL('../runbooks/', import.meta.url))

/** Reads the service catalogue and the runbooks. @throws {ConfigError | RunbookError} naming file, place and fix */
export async function loadFiles(config: Config): Promise<Loaded> {
  const { builtin: own, paths, mode, overrides } = config.runbooks
  const found = await loadRunbooks([...(own ? [builtin] : []), ...paths])
  const names = found.map(({ name }) => name)
  const unknown = Object.keys(overrides).filter(name => !names.includes(name))
  if (unknown.length > 0)
    throw new ConfigError(
      unknown.map(name => `runbooks.overrides: no runbook '${name}'; use one of ${names.join(', ')}`),
    )
  const modes = Object.fromEntries(Object.entries(overrides).map(([name, override]) => [name, override.mode]))
  const runbooks = adapt(found, { timeScale: config.timeScale, mode, modes })
  return { catalogue: await loadCatalogue(config.services), runbooks }
}

async function loadCatalogue(path: string | undefined): Promise<ServiceCatalogue> {
  if (path === undefined) return ServiceCatalogue.parse({})
  const text = await readFile(path, 'utf8').catch(error => {
    throw new ConfigError([`services: '${path}' cannot be read (${error.code}); create it or correct the path`])
  })
  let document: unknown
  try {
    document = parse(text)
  } catch (error) {
    throw new ConfigError([`${path}: ${(error as Error).message}`])
  }
  const parsed = ServiceCatalogue.safeParse(document ?? {})
  if (!parsed.success) throw new ConfigError([`${path}: ${z.prettifyError(parsed.error)}`])
  return parsed.data
}

/** The pipelines of a configuration, without running them. */
export async function graphsOf(config: Config): Promise<Graph[]> {
  const { catalogue, runbooks } = await loadFiles(config)
  return buildGraphs(config, catalogue, runbooks)
}

/**
 * Starts everything: doors, pipelines, executor, OTLP receiver and API. Whatever cannot be had is one error that names
 * it, and what was started before is stopped again.
 */
export async function startAgent(config: Config, options: AgentOptions): Promise<Agent> {
  const closing = new Closing()
  try {
    return await start(config, options, closing)
  } catch (error) {
    await closing.close()
    throw error
  }
}

/** What has been opened, to be closed in reverse. */
class Closing {
  readonly #steps: (() => Promise<unknown> | unknown)[] = []
  #closed: Promise<void> | undefined

  add(step: () => Promise<unknown> | unknown): void {
    this.#steps.push(step)
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      const failures: unknown[] = []
      for (const step of this.#steps.reverse())
        try {
          await step()
        } catch (error) {
          failures.push(error)
        }
      if (failures.length > 0) throw failures[0]
    })()
    return this.#closed
  }
}

async function start(config: Config, options: AgentOptions, closing: Closing): Promise<Agent> {
  const { clock, logger, roles, metrics = own => own.metrics() } = options
  const { catalogue: own, runbooks } = await loadFiles(config)
  const folder = await holdOwnFolder(config)
  closing.add(() => folder?.release())
  const random = Math.random
  const guards = guardsOf(config, { clock, random })
  const pulse = new Pulse(clock)
  const log = pulse.watch(guardedLog(await openLog(config, { clock, logger }), guards.log))
  closing.add(() => log.close())
  const store = guardedStore(await openStore(config), guards.store)
  closing.add(() => store.close())
  const cache = guardedCache(await openCache(config, clock), guards.cache)
  closing.add(() => cache.close())
  await migrate(store)
  const registry = new Registry()
  for (const observing of [observePipelines(registry, clock), announceSampling(logger)])
    closing.add(() => observing.stop())
  await log.ensure(ownTopics(config.inputs, config.log.partitions))
  const board = new Board({ log, clock, logger })
  await board.refresh()
  const catalogue = catalogueOf(config.services, own, board, logger)
  const onRetry = (door: string): void => guards[door as keyof Guards].retried()
  const isAlone = config.log.in === 'embedded'
  const around = { log, store, clock, logger, random, onRetry, roles, isAlone }
  const running = await startPipelines(config, buildGraphs(config, catalogue, runbooks), catalogue, around)
  closing.add(() => running.close())
  const acts = roles?.has(executorName) ?? true
  const runs = acts
    ? await startRuns(config, { catalogue, runbooks }, running, { ...around, guards, board })
    : undefined
  closing.add(() => runs?.close())
  const names = [...running.runners.map(({ name }) => name), ...(acts ? [executorName] : [])]
  const doors: Door[] = [
    { guard: guards.log, check: () => log.check(), needed: true },
    { guard: guards.store, check: () => store.check(), needed: true },
    { guard: guards.cache, check: () => cache.check(), needed: false },
  ]
  const look = () => lookAt(doors, running.troubles(), clock)
  const ready = async () => ({
    ...(await look()),
    [topics.controls]: await lookWithin(() => board.refresh(), clock),
    ...Object.fromEntries(names.map(name => [name, { ok: true }])),
  })
  observeDoors(registry, Object.values(guards), look)
  const api = await listen(config, {
    store,
    registry: { metrics: () => metrics(registry) },
    logger,
    clock,
    ready,
    decide: decision => decide({ log, store, clock }, decision),
    replayDead: inTurn(request => replayDead({ log, store, clock }, request)),
    controls: controlDesk({ board, log, clock, nonce: shortId, runbooks: runbooks.map(({ name }) => name) }),
  })
  if (api) closing.add(() => api.close())
  if (api) await folder?.announce(api.address)
  const otlp = await receive(config, log)
  if (otlp) closing.add(() => otlp.close())
  const heartbeat = beat(config, { guard: guards.heartbeat, pulse, ready, clock, logger })
  if (heartbeat) closing.add(() => heartbeat.close())
  const done = Promise.race([...(running.runners.length > 0 ? [running.done] : []), ...(runs ? [runs.done] : [])])
  // Whoever awaits it is told; nobody awaiting it is no crash.
  done.catch(() => undefined)
  return {
    addresses: { ...(api ? { api: api.address } : {}), ...(otlp ? { otlp: otlp.address } : {}) },
    registry,
    ready,
    done,
    close() {
      running.hurry()
      return closing.close()
    },
  }
}

/** Short enough to be typed; nobody gives as many controls as it would take for two to be equal. */
const shortId = (): string => randomUUID().replaceAll('-', '').slice(0, 16)

interface Around {
  readonly log: Log
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
}

async function startRuns(
  config: Config,
  { catalogue, runbooks }: Loaded,
  running: Running,
  around: Around & { guards: Guards; board: Board; random: () => number },
) {
  const { log, store, clock, logger, guards, board, random } = around
  const { delivery } = running
  const secrets = new Secrets(secretsIn(config).map(secret => secret.reveal()))
  const { baseUrl: url, apiKey, pollEvery, retryAfter } = config.render
  const executor = new Executor({
    runbooks,
    catalogue,
    clock,
    secrets,
    logger,
    nonce: randomUUID,
    controls: board,
    ...runsDoors(delivery, clock),
    actions: {
      shell: shell({ secrets }),
      log_analysis: logAnalysis((query, scope) => lookIntoLogs(store, query, scope), secrets),
      render: render(
        apiKey
          ? { url, apiKey: apiKey.reveal(), pollEvery, retryAfter, random, guard: call => guards.render.run(call) }
          : undefined,
      ),
      wait,
    },
  })
  const reader = new RunsReader(executor, {
    group: groupOf(config, executorName),
    log,
    delivery,
    checkpoints: running.checkpoints,
    clock,
    logger,
    idleEvery: 1_000,
  })
  await reader.start()
  return reader
}

/** The heartbeat of a configuration that has one: it lasts while every door we need is open and no pipeline is stuck. */
function beat(
  config: Config,
  around: { guard: Guard; pulse: Pulse; ready: Agent['ready']; clock: Clock; logger: Logger },
): Heartbeat | undefined {
  const { url } = config.heartbeat
  if (!url) return undefined
  const every = Math.max(SHORTEST_BEAT, config.heartbeat.every)
  if (!/^https?:$/.test(URL.parse(url.reveal())?.protocol ?? ''))
    throw new ConfigError(['heartbeat.url: is no address; write it as https://host/path'])
  const { guard, pulse, ready, clock, logger } = around
  const obstacle = async (): Promise<string | undefined> => {
    const shut = Object.entries(await ready()).find(([, { ok, needed }]) => !ok && needed !== false)
    if (shut) return `the ${shut[0]} is shut`
    const [stuck] = pulse.stuckFor(every)
    return stuck && `'${stuck.group}' has not finished anything of ${stuck.topic}/${stuck.partition} for too long`
  }
  return new Heartbeat({ url: url.reveal(), every, obstacle, guard, clock, logger })
}

/**
 * A person's answer becomes a record of the ledger, for the owner of the target to act upon. Whoever decides is told at
 * once where it cannot be written now.
 */
async function decide({ log, store, clock }: Pick<Around, 'log' | 'store' | 'clock'>, decision: RunDecision) {
  const { run, decision: type, by, reason } = decision
  const [found] = await store.query<{ target: string; state: string }>(
    'SELECT target, state FROM runs FINAL WHERE run = {run:String}',
    { run },
  )
  if (!found) throw new HttpError('OPS_NOT_FOUND', `no run '${run}'`)
  if (found.state !== 'awaiting_approval')
    throw new HttpError('OPS_CONFLICT', `run '${run}' is ${found.state} and waits for nobody`)
  const record = { type, run, target: found.target, at: clock.now(), by, reason, nonce: randomUUID() }
  await log.append([{ topic: topics.runs, ...encodeRecord(record) }])
}

async function listen(
  config: Config,
  hooks: {
    store: Store
    registry: { metrics(): Promise<string> }
    logger: Logger
    ready: Agent['ready']
    decide: (decision: RunDecision) => Promise<void>
    replayDead: NonNullable<ApiHooks['replayDead']>
    controls: ApiControls
    clock: Clock
  },
): Promise<{ address: string; close(): Promise<void> } | undefined> {
  const { enabled, host, port, token } = config.http
  if (!enabled) return undefined
  const { store, registry, logger, ready, decide, replayDead, controls, clock } = hooks
  const app = await buildApi({
    store,
    version: version(),
    clock,
    registry,
    token: token?.reveal(),
    loopbackOnly: isLoopback(host),
    hooks: {
      ready,
      decide,
      replayDead,
      controls,
      detect: lines => detectInLines(config, lines, clock.now()),
      failed: error => logger.error({ error }, 'the API failed to answer'),
    },
  })
  const address = await heard('http', config.http, app.listen({ host, port }))
  return { address, close: () => app.close() }
}

/** Where a server listens once it does; an address that cannot be had is told by the setting that names it. */
function heard(group: string, { host, port }: { host: string; port: number }, listening: Promise<string>) {
  return listening.catch((error: NodeJS.ErrnoException) => {
    const options = { cause: error }
    if (error.code === 'EADDRINUSE')
      throw new ConfigError(
        [`${group}.port: ${host}:${port} is taken by another process; stop it or set ${group}.port`],
        options,
      )
    throw new ConfigError(
      [`${group}: ${host}:${port} cannot be listened on (${error.code}); set ${group}.host`],
      options,
    )
  })
}

async function receive(config: Config, log: Log) {
  const { enabled, host, port } = config.otlp
  if (!enabled) return undefined
  const receiver = otlpReceiver({ log, topics: entryTopics, host, port, maxBodyBytes: config.otlp.maxRequestBytes })
  const address = await heard('otlp', config.otlp, receiver.listen())
  return { address, close: () => receiver.close() }
}
