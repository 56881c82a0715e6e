import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storedCheckpoints } from '../../sinks/checkpoints.ts'
import { openEmbeddedStore } from '../../sinks/embedded-store.ts'
import { startAgentProcess } from '../kit/agent.ts'
import type { Request } from './load.ts'
import type { Question, Reading } from './probe.ts'

/** An agent that is measured: a process of its own, embedded log and store, on a fresh data folder. */
export interface Subject {
  readonly data: string
  /** Resolves once the request is durable. */
  send(request: Request): Promise<void>
  reading(): Promise<Reading>
  /** The same after garbage was collected, so that `heap` is what is held; it holds the process up meanwhile. */
  collected(): Promise<Reading>
  /** Begins the delays of the event loop afresh. */
  afresh(): Promise<void>
  /** Starts a CPU profile; the second call ends it and answers it as the inspector's JSON. */
  profile(): Promise<void>
  profiled(): Promise<CpuProfile>
  /** Ends the agent, which writes its checkpoints. */
  stop(): Promise<void>
  /** Removes the folder. */
  remove(): Promise<void>
}

/** As the inspector protocol has it, as far as it is read here. */
export interface CpuProfile {
  readonly nodes: readonly { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const probe = new URL('./probe.ts', import.meta.url).href

export async function startSubject(settings: readonly string[]): Promise<Subject> {
  const data = await mkdtemp(join(tmpdir(), 'ops-measure-'))
  const agent = await startAgentProcess(data, settings, [], ['--import', probe])
  let asked = 0
  const ask = <T>(question: Question['ask']): Promise<T> =>
    new Promise((resolve, reject) => {
      const id = ++asked
      const ended = () => reject(new Error(`the agent has ended:\n${agent.log.slice(-20).join('\n')}`))
      const answered = (message: { id: number; value: T }) => {
        if (message.id !== id) return
        agent.process.off('message', answered)
        agent.process.off('exit', ended)
        resolve(message.value)
      }
      agent.process.on('message', answered)
      agent.process.once('exit', ended)
      agent.process.send({ id, ask: question } satisfies Question)
    })
  return {
    data,
    send: request => post(`${agent.otlp}${request.path}`, request.body),
    reading: () => ask<Reading>('reading'),
    collected: () => ask<Reading>('collected'),
    afresh: () => ask<void>('afresh'),
    profile: () => ask<void>('profile'),
    profiled: () => ask<CpuProfile>('profiled'),
    async stop() {
      const code = await agent.stop()
      if (code !== 0) throw new Error(`the agent ended with ${code}:\n${agent.log.slice(-20).join('\n')}`)
    },
    remove: () => rm(data, { recursive: true, force: true }),
  }
}

async function post(url: string, body: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
}

/** What a checkpoint of a pipeline weighs. */
export interface StateSize {
  readonly entries: number
  /** Characters of the JSON texts and their names. */
  readonly bytes: number
}

/** The newest checkpoints in the data folder of an agent that has ended, by pipeline. */
export async function stateIn(data: string): Promise<Record<string, StateSize>> {
  const store = await openEmbeddedStore({ path: join(data, 'clickhouse') })
  try {
    const sizes: Record<string, StateSize> = {}
    const places = await store.query<{ pipeline: string; topic: string; partition: number }>(
      'SELECT DISTINCT pipeline, topic, partition FROM checkpoints ORDER BY pipeline, topic, partition',
    )
    for (const place of places) {
      const checkpoint = await storedCheckpoints(store).load(place)
      let { entries, bytes } = sizes[place.pipeline] ?? { entries: 0, bytes: 0 }
      for (const [name, json] of checkpoint?.entries ?? []) {
        entries++
        bytes += name.length + json.length
      }
      sizes[place.pipeline] = { entries, bytes }
    }
    return sizes
  } finally {
    await store.close()
  }
}
