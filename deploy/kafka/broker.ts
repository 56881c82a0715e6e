import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { openKafkaLog } from '../../pipelines/sources/kafka-log.ts'
import { BrokerUnavailable, brokerJars } from './jars.ts'

// A real Kafka broker on this machine without Docker: one process that is broker and controller, listening on the
// loopback only. `node deploy/kafka/broker.ts [--dir DIR] [--port PORT]` runs one until Ctrl-C.

export { BrokerUnavailable }

const START_TIMEOUT = 90_000
const STOP_TIMEOUT = 15_000
const JVM = ['-Xmx512m', '-Xms128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto']
const LOGGING = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-Dorg.slf4j.simpleLogger.showDateTime=true']

export interface BrokerOptions {
  /** Where its data lies. Absent: a folder of its own that is removed by `stop`. */
  readonly dir?: string
  /** 0 or absent: any free one. */
  readonly port?: number
  /** Listeners beside the plain one. What they need to work is for `properties` to say. */
  readonly listeners?: readonly Protocol[]
  /** Further lines of server.properties. */
  readonly properties?: Readonly<Record<string, string>>
  /** Users to log in by SCRAM, either kind. */
  readonly users?: readonly { readonly name: string; readonly password: string }[]
}

export type Protocol = 'SASL_PLAINTEXT' | 'SSL' | 'SASL_SSL'

export interface Broker {
  /** host:port. */
  readonly address: string
  /** host:port of another listener. */
  listener(protocol: Protocol): string
  /** Folder with the broker's jars, Kafka's own tools among them. */
  readonly jars: string
  /** Lets it end in order; kills it if that takes too long. Removes its folder unless that was given. */
  stop(): Promise<void>
  /** Kills it at once, as a crash would; its data stay. */
  kill(): Promise<void>
  /** Starts it again on the same port and data. */
  restart(): Promise<void>
}

/**
 * Starts a broker and resolves when it answers. It ends when this process does, however that happens.
 * @throws {BrokerUnavailable} where Java or Maven is missing
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const jars = await brokerJars()
  for (let attempt = 1; ; attempt++) {
    const own = options.dir === undefined ? await mkdtemp(join(tmpdir(), 'ops-kafka-')) : undefined
    try {
      return await prepare(jars, own ?? options.dir!, own, options)
    } catch (error) {
      if (own !== undefined) await rm(own, { recursive: true, force: true })
      // A port that was free a moment ago may be taken by now.
      if (options.port || attempt === 3) throw error
    }
  }
}

async function prepare(jars: string, dir: string, own: string | undefined, options: BrokerOptions): Promise<Broker> {
  await mkdir(dir, { recursive: true })
  const address = `127.0.0.1:${options.port || (await freePort())}`
  const listeners = new Map<string, string>([['PLAINTEXT', address]])
  for (const protocol of options.listeners ?? []) listeners.set(protocol, `127.0.0.1:${await freePort()}`)
  const properties = join(dir, 'server.properties')
  const data = join(dir, 'data')
  await writeFile(properties, serverProperties(listeners, `127.0.0.1:${await freePort()}`, data, options.properties))
  if (!existsSync(data)) await format(jars, properties, options.users ?? [])
  let running = await launch(jars, dir, own, address)
  return {
    address,
    listener: protocol => listeners.get(protocol)!,
    jars,
    async stop() {
      await running.end('SIGTERM')
      if (own !== undefined) await rm(own, { recursive: true, force: true })
    },
    kill: () => running.end('SIGKILL'),
    async restart() {
      await running.end('SIGTERM')
      running = await launch(jars, dir, own, address)
    },
  }
}

function serverProperties(
  listeners: ReadonlyMap<string, string>,
  controller: string,
  data: string,
  more: Readonly<Record<string, string>> = {},
): string {
  const open = [...listeners].map(([protocol, address]) => `${protocol}://${address}`).join(',')
  const lines = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${controller}`,
    listeners: `${open},CONTROLLER://${controller}`,
    'advertised.listeners': open,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map':
      'PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT',
    'log.dirs': data,
    'num.partitions': '1',
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'broker.session.timeout.ms': '5000', // after a kill it may only come back when this has passed
    'broker.heartbeat.interval.ms': '1000',
    ...more,
  }
  return Object.entries(lines)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

async function format(jars: string, properties: string, users: NonNullable<BrokerOptions['users']>): Promise<void> {
  const id = Buffer.concat([Buffer.alloc(1), randomBytes(15)]).toString('base64url') // begins with A, never with a dash
  const tool = [...JVM, ...LOGGING, '-cp', `${jars}/*`, 'kafka.tools.StorageTool']
  const scram = users.flatMap(({ name, password }) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap(kind => ['-S', `${kind}=[name=${name},password=${password}]`]),
  )
  await promisify(execFile)('java', [...tool, 'format', '-t', id, '-c', properties, ...scram]).catch(cause => {
    throw new Error(`kafka broker: storage not formatted: ${cause.stderr.split('\n')[0]}`, { cause })
  })
}

interface Running {
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/**
 * Between us and Java stands a shell that ends Java when our end of its standard input closes, which it does even if
 * this process is killed. It prints Java's process id, and exits when Java has. The folder that is its first argument,
 * if any, it removes where nobody is left to do so.
 */
const GUARD = `
own=$1; shift
exec 3<&0
"$@" 3<&- >&2 & java=$!
echo $java
{ read -r _ <&3; kill -TERM $java; sleep 10; kill -KILL $java; } 2>/dev/null >&2 &
wait $java; code=$?
kill $! 2>/dev/null
if [ -n "$own" ] && ! kill -0 $PPID 2>/dev/null; then rm -rf "$own"; fi
exit $code`

async function launch(jars: string, dir: string, own: string | undefined, address: string): Promise<Running> {
  const said = join(dir, 'broker.log')
  const log = await open(said, 'w')
  const java = ['java', ...JVM, ...LOGGING, '-cp', `${jars}/*`, 'kafka.Kafka', join(dir, 'server.properties')]
  const guard = spawn('sh', ['-c', GUARD, 'guard', own ?? '', ...java], { stdio: ['pipe', 'pipe', log.fd] })
  await log.close()
  const exited = new Promise<void>(resolve => guard.once('exit', () => resolve()))
  guard.stdin!.on('error', () => undefined) // closed with the guard
  const pid = Number((await createInterface(guard.stdout!)[Symbol.asyncIterator]().next()).value)
  const running: Running = { end: signal => end(guard, pid, signal, exited) }
  try {
    await answers(address, guard)
  } catch (cause) {
    await running.end('SIGKILL')
    const text = (await readFile(said, 'utf8')).trim().split('\n').slice(-5).join('\n')
    throw new Error(`kafka broker ${address} did not start; its last lines:\n${text}`, { cause })
  }
  return running
}

async function end(guard: ChildProcess, pid: number, signal: 'SIGTERM' | 'SIGKILL', exited: Promise<void>) {
  if (guard.exitCode !== null || guard.signalCode !== null) return
  const send = (signal: 'SIGTERM' | 'SIGKILL') => {
    try {
      process.kill(pid, signal)
    } catch {} // it has just ended
  }
  send(signal)
  const patience = new AbortController()
  const impatient = setTimeout(STOP_TIMEOUT, undefined, { signal: patience.signal }).then(
    () => send('SIGKILL'),
    () => undefined,
  )
  await exited
  patience.abort()
  await impatient
}

/** Asks until the broker describes its cluster and will coordinate groups. */
async function answers(address: string, guard: ChildProcess): Promise<void> {
  const until = Date.now() + START_TIMEOUT
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  const clock = { now: () => Date.now(), sleep: (ms: number) => setTimeout(ms) }
  for (;;) {
    try {
      const log = await openKafkaLog({ brokers: [address], clientId: 'broker', clock, logger: silent })
      await log.close()
      return
    } catch (error) {
      if (guard.exitCode !== null || guard.signalCode !== null || Date.now() > until) throw error
    }
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { dir: { type: 'string' }, port: { type: 'string', default: '9092' } } })
  const { dir, port } = values
  const broker = await startBroker({ ...(dir === undefined ? {} : { dir }), port: Number(port) })
  console.log(`kafka broker on ${broker.address}; Ctrl-C ends it`)
  const stop = () => void broker.stop().then(() => process.exit(0))
  process.once('SIGINT', stop).once('SIGTERM', stop)
}

if (import.meta.main) {
  await main().catch((error: Error) => {
    console.error(error.message)
    process.exitCode = 1
  })
}
