import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Broker, startBroker } from '../../../deploy/kafka/broker.ts'
import { openKafkaLog } from '../../../pipelines/sources/kafka-log.ts'
import type { Log } from '../../../pipelines/sources/log.ts'
import { realClock, recordingLogger } from '../../kit/log.ts'
import { ChaosAgent } from './agents.ts'
import { type FrontProcess, startFront } from './front.ts'
import { Groups } from './groups.ts'
import { assertSameRows, type Counts } from './rows.ts'

export const PARTITIONS = 8

/** A real broker, a ClickHouse front and the topics telemetry arrives in, for several installations of the agent. */
export class Scene {
  readonly folder: string
  readonly broker: Broker
  readonly front: FrontProcess
  /** Writes telemetry. */
  readonly log: Log
  readonly groups: Groups
  readonly #installations: Installation[] = []
  readonly #began = performance.now()

  private constructor(folder: string, broker: Broker, front: FrontProcess, log: Log, groups: Groups) {
    this.folder = folder
    this.broker = broker
    this.front = front
    this.log = log
    this.groups = groups
  }

  static async open(): Promise<Scene> {
    const folder = await mkdtemp(join(tmpdir(), 'ops-chaos-'))
    const [broker, front] = await Promise.all([startBroker(), startFront(join(folder, 'clickhouse'))])
    const connection = { brokers: [broker.address], clientId: 'chaos', clock: realClock, logger: recordingLogger() }
    const log = await openKafkaLog(connection)
    await log.ensure(['telemetry.logs', 'telemetry.metrics'].map(topic => ({ topic, partitions: PARTITIONS })))
    return new Scene(folder, broker, front, log, await Groups.connect(broker.address))
  }

  async close(): Promise<void> {
    for (const { agents } of this.#installations) await Promise.all(agents.map(agent => agent.kill()))
    await this.groups.close()
    await this.log.close()
    await Promise.all([this.broker.stop(), this.front.stop()])
    if (process.env.CHAOS_KEEP === undefined) await rm(this.folder, { recursive: true, force: true })
  }

  /** Says something with the minutes and seconds since the scene was opened. */
  tell(text: string): void {
    const seconds = Math.floor((performance.now() - this.#began) / 1_000)
    console.log(`${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, '0')}  ${text}`)
  }

  /** An installation of its own over the same telemetry: its groups, its topics, its database. */
  installation(name: string, more: readonly string[] = []): Installation {
    const made = new Installation(this, name, more)
    this.#installations.push(made)
    return made
  }

  /** An installation of one process that nobody disturbed, when it has read everything. */
  async undisturbed(): Promise<Installation> {
    const made = this.installation('undisturbed')
    await (await made.start()).running()
    await made.drained(240_000)
    await made.stop()
    this.tell('the undisturbed run has read the same')
    return made
  }
}

/** Processes of the agent that share their work. */
export class Installation {
  readonly name: string
  readonly database: string
  /** Every process it ever had. */
  readonly agents: ChaosAgent[] = []
  readonly #scene: Scene
  readonly #settings: readonly string[]
  #started = 0

  constructor(scene: Scene, name: string, more: readonly string[]) {
    this.name = name
    this.database = `chaos_${name}`
    this.#scene = scene
    this.#settings = [
      ...['log.in=kafka', `log.brokers=[${scene.broker.address}]`, 'log.sessionTimeout=6s', 'log.start=earliest'],
      ...[`log.group=${name}`, `log.prefix=${name}.`, `log.partitions=${PARTITIONS}`],
      'inputs=[{topic: telemetry.logs, foreign: true}, {topic: telemetry.metrics, foreign: true}]',
      ...['store.in=clickhouse', `store.url=${scene.front.url}`, `store.database=${this.database}`],
      // The wall clock may decide nothing: the other installation reads the same at another time.
      ...['detection.idleAfter=1h', 'checkpoints.every=1s', 'runbooks.builtin=false'],
      ...['otlp.enabled=false', 'http.enabled=false', ...more],
    ]
  }

  /** Starts one more process; does not wait until it runs. */
  async start(): Promise<ChaosAgent> {
    const name = `${this.name}-${++this.#started}`
    const agent = await ChaosAgent.start(name, this.#scene.folder, this.#settings)
    this.agents.push(agent)
    return agent
  }

  drained(within: number): Promise<void> {
    return this.#scene.groups.drained(this.name, `${this.name}.`, within)
  }

  /** Ends all processes that still run, well. */
  async stop(): Promise<void> {
    await Promise.all(this.agents.filter(agent => !agent.ended).map(agent => agent.stop()))
  }

  /** Fails unless this one's rows are the other's. Answers how many rows each table has. */
  assertSameRows(expected: Installation): Promise<Counts> {
    return assertSameRows(this.#scene.front.url, this.database, expected.database)
  }
}
