import { z } from 'zod'
import { cluster } from '../operators/cluster/cluster.ts'
import { GroupConfig } from '../operators/group/policy.ts'
import { sample } from '../operators/sample.ts'
import { score } from '../operators/score/score.ts'
import { scoreCounts } from '../operators/score/score-counts.ts'
import { Duration } from '../operators/window.ts'
import { contradictions } from './configuration/contradictions.ts'
import { SecretText } from './configuration/secret.ts'

// The configuration, said once: the file, the environment variables, the reference (deploy/ops-agent.yaml), the JSON
// schema (deploy/config.schema.json), README's table and the messages of a wrong configuration all come from here.

const time = (written: string, description: string) => Duration.prefault(written).describe(description)
const text = (written: string, description: string) => z.string().min(1).default(written).describe(description)
const path = z.string().min(1)
const port = z.int().min(0).max(65_535)
const onOff = (written: boolean, description: string) => z.boolean().default(written).describe(description)
const count = (written: number, description: string) => z.int().min(1).default(written).describe(description)

const partitions = (written: number) =>
  count(written, 'Partitions of the topics that are created; more of them let more processes share the work.')

const Sasl = z.strictObject({
  mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).default('plain').describe('SASL mechanism.'),
  username: z.string().min(1).optional().describe('SASL user; none: no SASL.'),
  password: SecretText.optional().describe('SASL password.'),
})

const Tls = z.strictObject({
  enabled: onOff(false, 'Whether to speak TLS with the brokers.'),
  ca: path.optional().describe('PEM file of the authority that signed the brokers’ certificates.'),
  cert: path.optional().describe('PEM file of the client certificate.'),
  key: path.optional().describe('PEM file of the key of the client certificate.'),
  serverName: z.string().min(1).optional().describe('Name to expect in the certificate, where it is not the host.'),
})

const Log = z
  .discriminatedUnion('in', [
    z.strictObject({ in: z.literal('embedded'), partitions: partitions(1) }),
    z.strictObject({
      in: z.literal('kafka'),
      brokers: z
        .array(z.string().regex(/^[^\s:]+:\d+$|^\[[^\]]+\]:\d+$/, 'write each broker as host:port'))
        .min(1)
        .prefault(['127.0.0.1:9092'])
        .describe('host:port of each bootstrap broker.'),
      clientId: text('ops-agent', 'Name under which the brokers see this process.'),
      group: text('ops-agent', 'Beginning of the names of the consumer groups; processes that share work share it.'),
      prefix: z.string().default('').describe('Put before the names of all topics that are not foreign.'),
      start: z
        .enum(['earliest', 'latest'])
        .default('latest')
        .describe('Where a group starts that has never committed an offset.'),
      createTopics: onOff(
        true,
        'Whether missing topics are created; if not, `ops-agent topics plan` says what to create.',
      ),
      partitions: partitions(4),
      compression: z
        .enum(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
        .default('none')
        .describe('Compression of what we write; every kind is read.'),
      replicas: z.int().min(-1).default(-1).describe('Copies of each created topic; -1: as the broker is set.'),
      sessionTimeout: time('30s', 'Silence after which the brokers give our partitions to others.'),
      requestTimeout: time('30s', 'How long one request to a broker may take.'),
      connectTimeout: time('5s', 'How long connecting to a broker may take.'),
      tls: Tls.prefault({}),
      sasl: Sasl.prefault({}),
    }),
  ])
  .prefault({ in: 'embedded' })
  .describe('Where the topics are: durable files under `data`, or Kafka.')

const Store = z
  .discriminatedUnion('in', [
    z.strictObject({ in: z.literal('embedded') }),
    z.strictObject({
      in: z.literal('clickhouse'),
      url: z.url().default('http://127.0.0.1:8123').describe('HTTP address of the ClickHouse server.'),
      username: text('default', 'ClickHouse user.'),
      password: SecretText.optional().describe('Password of the ClickHouse user.'),
      database: text('ops', 'Database that holds the tables; it is created if missing.'),
      requestTimeout: time('30s', 'How long one statement may take.'),
    }),
  ])
  .prefault({ in: 'embedded' })
  .describe('Where the tables are: ClickHouse inside this process, its files under `data`, or a ClickHouse server.')

const Cache = z
  .discriminatedUnion('in', [
    z.strictObject({ in: z.literal('memory') }),
    z.strictObject({
      in: z.literal('redis'),
      url: z
        .string()
        .regex(/^rediss?:\/\//, 'write it as redis://host:port or rediss://host:port')
        .default('redis://127.0.0.1:6379')
        .describe('Address of the Redis server, without its password.'),
      username: z.string().min(1).optional().describe('Redis user.'),
      password: SecretText.optional().describe('Redis password.'),
      prefix: text('ops:', 'Put before every key.'),
    }),
  ])
  .prefault({ in: 'memory' })
  .describe('Where rebuildable values are kept. Losing all of them loses nothing.')

const Input = z.union([
  z
    .string()
    .min(1)
    .transform(topic => ({ topic, foreign: false })),
  z.strictObject({
    topic: z.string().min(1).describe('Name of the topic.'),
    foreign: onOff(false, 'Somebody else’s topic: its name is taken as it is, and it is never created.'),
  }),
])

const Mode = z.enum(['observe', 'suggest', 'approve', 'auto'])

const Settings = z.strictObject({
  environment: text('default', 'Environment of telemetry that does not name its own.'),
  timeScale: z
    .number()
    .min(1)
    .max(10_000)
    .default(1)
    .describe('Divides every duration of this configuration; for demonstrations and drills. 1: real time.'),
  data: path.default('./data').describe('Folder of the embedded log and store. One process at a time owns it.'),
  log: Log,
  store: Store,
  cache: Cache,
  doors: z
    .strictObject({
      failures: count(5, 'Failures of a door in a row after which it is left alone for a while.'),
      pause: time('1s', 'Longest first while that it is left alone; doubles until one call gets through again.'),
      longestPause: time('4s', 'Longest while of all, and longest pause of those who wait for a door.'),
    })
    .prefault({}),
  inputs: z
    .array(Input)
    .min(1)
    .prefault(['telemetry.logs', 'telemetry.metrics'])
    .describe('Topics telemetry arrives in; each a name, or `{ topic, foreign }`.'),
  services: path
    .optional()
    .describe('The service catalogue (services.yaml): owners, dependencies, and where actions on a service go.'),
  http: z
    .strictObject({
      enabled: onOff(true, 'Whether to serve the query API.'),
      host: text('127.0.0.1', 'Address the query API listens on.'),
      port: port.default(8080).describe('Port of the query API; 0: any free one.'),
      token: SecretText.optional().describe('Bearer token that every request to /v1 and /metrics must show.'),
      allowAnonymous: onOff(false, 'Permits listening beyond this machine without a token.'),
    })
    .prefault({}),
  otlp: z
    .strictObject({
      enabled: onOff(true, 'Whether to receive OTLP over HTTP.'),
      host: text('127.0.0.1', 'Address the OTLP receiver listens on.'),
      port: port.default(4318).describe('Port of the OTLP receiver; 0: any free one.'),
      maxRequestBytes: count(20_971_520, 'Largest request, unpacked; a larger one is answered with 413.'),
    })
    .prefault({}),
  detection: z
    .strictObject({
      window: time('1m', 'Length of the windows that lines and samples are counted and summarised in.'),
      outOfOrderness: time(
        '30s',
        'How far the events of one topic partition may be out of order without being late: more than the export interval of its senders.',
      ),
      idleAfter: time('30s', 'Silence of a stream that was read to its end after which nobody waits for it.'),
      forgetAfter: time('30d', 'Event time after which a service of which nothing came is forgotten.'),
      cluster: cluster.definition.config.prefault({}),
      sample: sample.definition.config.prefault({}),
      score: score.definition.config.prefault({}),
      scoreCounts: scoreCounts.definition.config.prefault({}),
    })
    .prefault({}),
  incidents: GroupConfig.omit({ catalogue: true }).prefault({}),
  runbooks: z
    .strictObject({
      builtin: onOff(true, 'Whether to load the runbooks that come with ops-agent.'),
      paths: z.array(path).prefault([]).describe('More runbooks: files, folders, or patterns such as runbooks/*.yaml.'),
      mode: Mode.optional().describe('What runbooks may do by themselves; none: each what its file says.'),
      overrides: z
        .record(z.string(), z.strictObject({ mode: Mode.describe('What the runbook may do by itself.') }))
        .prefault({})
        .describe('The same by runbook name: `{ mode }`; it beats `mode`.'),
    })
    .prefault({}),
  render: z
    .strictObject({
      baseUrl: z.url().default('https://api.render.com/v1').describe('Address of the Render API.'),
      apiKey: SecretText.optional().describe('Key of the Render API; none: Render actions are only described.'),
      pollEvery: time('5s', 'How often is looked whether an action has taken effect.'),
      retryAfter: time('1s', 'How long before a failed read is tried again; doubles with each.'),
    })
    .prefault({}),
  sentry: z
    .strictObject({
      dsn: SecretText.optional().describe('Where our own errors are reported; none: nowhere.'),
    })
    .prefault({}),
  heartbeat: z
    .strictObject({
      url: SecretText.optional().describe(
        'Asked for with GET while every pipeline gets on: healthchecks.io, Dead Man’s Snitch or the like, which raise the alarm when it stays silent. None: no heartbeat.',
      ),
      every: time('1m', 'How often. A pipeline that finishes nothing for as long silences it.'),
    })
    .prefault({}),
  checkpoints: z
    .strictObject({
      every: time('5s', 'How often a busy partition’s state is written; what came after is read again after a crash.'),
    })
    .prefault({}),
  decode: z
    .strictObject({
      maxEventBytes: count(1_000_000, 'Longest line, log record or point; a longer one goes to the dead letters.'),
      maxSkew: z
        .strictObject({
          past: time('3653d', 'How long before its arrival an event may claim to have happened.'),
          future: time('1d', 'How long after its arrival an event may claim to have happened.'),
        })
        .prefault({}),
    })
    .prefault({}),
  logging: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least important message printed.'),
    })
    .prefault({}),
})
export type Settings = z.output<typeof Settings>

/** Settings as they are parsed. `loadConfig` divides the durations by `timeScale` and fetches the secrets. */
export const Config = Settings.check(context => {
  for (const { path, other, message } of contradictions(context.value))
    context.issues.push({ code: 'custom', input: context.value, path: path.split('.'), params: { other }, message })
})
export type Config = Settings
export type ConfigInput = z.input<typeof Settings>
