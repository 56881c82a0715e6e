import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { Broker, Protocol } from '../deploy/kafka/broker.ts'
import { createClient } from '../pipelines/sources/kafka-client.ts'
import { type KafkaLogOptions, openKafkaLog } from '../pipelines/sources/kafka-log.ts'
import { SinkError } from '../sinks/store.ts'
import { testBroker } from './kit/broker.ts'
import { eventually } from './kit/eventually.ts'
import { RecordingReader, realClock, recordingLogger } from './kit/log.ts'

// Kafka as companies run it: TLS, SASL, and a user who may do little.

const folder = await mkdtemp(join(tmpdir(), 'ops-kafka-tls-'))
after(() => rm(folder, { recursive: true }))
const keystore = join(folder, 'broker.p12')
const store = ['-keystore', keystore, '-storetype', 'PKCS12', '-storepass', 'changeit', '-alias', 'broker']
const name = ['-dname', 'CN=broker.test', '-ext', 'SAN=dns:broker.test']
const keytool = promisify(execFile)

const module = (kind: string) => `org.apache.kafka.common.security.${kind}`
const sasl = (listener: string) => ({
  [`listener.name.${listener}.plain.sasl.jaas.config`]: `${module('plain.PlainLoginModule')} required user_agent="secret";`,
  [`listener.name.${listener}.scram-sha-256.sasl.jaas.config`]: `${module('scram.ScramLoginModule')} required;`,
  [`listener.name.${listener}.scram-sha-512.sasl.jaas.config`]: `${module('scram.ScramLoginModule')} required;`,
})
const broker = testBroker({
  listeners: ['SASL_PLAINTEXT', 'SSL', 'SASL_SSL'],
  users: [{ name: 'agent', password: 'secret' }],
  properties: {
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    ...sasl('sasl_plaintext'),
    ...sasl('sasl_ssl'),
    'ssl.keystore.location': keystore,
    'ssl.keystore.password': 'changeit',
    'ssl.keystore.type': 'PKCS12',
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
  },
})

let ready: Promise<string> | undefined
/** The broker's certificate, made before the broker starts. */
function certificate(): Promise<string> {
  ready ??= (async () => {
    const key = ['-genkeypair', '-keyalg', 'EC', '-validity', '2', ...store, ...name]
    await keytool('keytool', key)
    const path = join(folder, 'broker.pem')
    await keytool('keytool', ['-exportcert', '-rfc', '-file', path, ...store])
    return readFile(path, 'utf8')
  })()
  return ready
}

const secured = (title: string, run: (t: TestContext, running: Broker, ca: string) => Promise<void>) =>
  test(title, async t => {
    const ca = await certificate()
    const running = await broker(t)
    if (running) await run(t, running, ca)
  })

const open = (address: string, more: Partial<KafkaLogOptions>) =>
  openKafkaLog({ brokers: [address], clientId: 'test', clock: realClock, logger: recordingLogger(), ...more })

const login = (mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', password = 'secret') => ({
  sasl: { mechanism, username: 'agent', password },
})

const misconfigured = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof SinkError)
  assert.equal(error.reason, 'misconfigured', error.message)
  assert.match(error.message, pattern)
  assert.ok(!JSON.stringify([error.message, `${error.cause}`]).includes('secret'), 'no password in messages')
  return true
}

secured('SASL by each mechanism, over plain text and over TLS', async (_t, running, ca) => {
  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const)
    for (const protocol of ['SASL_PLAINTEXT', 'SASL_SSL'] as const satisfies readonly Protocol[]) {
      const tls = protocol === 'SASL_SSL' ? { tls: { ca, serverName: 'broker.test' } } : {}
      const log = await open(running.listener(protocol), { ...login(mechanism), ...tls })
      await log.close()
    }
})

secured(
  'a wrong password, a missing login and an untrusted certificate are said, with the setting',
  async (_t, running, ca) => {
    const plain = running.listener('SASL_PLAINTEXT')
    await assert.rejects(open(plain, login('plain', 'wrong')), misconfigured(/set log\.sasl/))
    await assert.rejects(open(plain, login('scram-sha-512', 'wrong')), misconfigured(/set log\.sasl/))
    const secure = running.listener('SSL')
    await assert.rejects(open(secure, { tls: {} }), misconfigured(/self-signed certificate; set log\.tls/))
    await assert.rejects(open(secure, { tls: { ca } }), misconfigured(/does not match certificate.*; set log\.tls/))
    await assert.rejects(open(running.address, { tls: { ca } }), /set log\.tls/)
    const log = await open(secure, { tls: { ca, serverName: 'broker.test' } })
    await log.close()
  },
)

secured('a user who may only use given topics and a given group', async (t, running) => {
  const root = await open(running.address, {})
  t.after(() => root.close())
  await root.ensure(['mine', 'yours'].map(topic => ({ topic, partitions: 2 })))
  const admin = createClient({ brokers: [running.address], clientId: 'root', logger: recordingLogger() }).admin()
  await admin.connect()
  t.after(() => admin.disconnect())
  // Numbers of Kafka's protocol. Resources: topic 2, group 3; operations: read 3, write 4; pattern: literal 3; allow 3.
  const allow = (resourceType: number, resourceName: string, operation: number) => {
    const who = { principal: 'User:agent', host: '*' }
    return { resourceType, resourceName, resourcePatternType: 3, operation, permissionType: 3, ...who }
  }
  await admin.createAcls({ acl: [allow(2, 'mine', 3), allow(2, 'mine', 4), allow(3, 'granted', 3)] })
  const log = await open(running.listener('SASL_PLAINTEXT'), login('plain'))
  t.after(() => log.close())
  // What is granted holds a moment after the broker has said so.
  await eventually(() => log.ensure([{ topic: 'mine', partitions: 2 }]))
  await log.append([{ topic: 'mine', key: 'a', value: 'works' }])
  const reader = new RecordingReader()
  const options = { group: 'granted', topics: ['mine'], start: 'earliest', idleEvery: 50 } as const
  const subscription = await log.subscribe(options, reader)
  await reader.until(() => reader.records.length === 1 && reader.idles.length > 0)
  await subscription.close()
  await assert.rejects(
    log.append([{ topic: 'yours', key: 'a', value: '' }]),
    misconfigured(/topic 'yours'.*may not use/),
  )
  await assert.rejects(log.ensure([{ topic: 'new', partitions: 1 }]), misconfigured(/'new'.*may not/))
  const other = log.subscribe({ ...options, group: 'other' }, new RecordingReader())
  await assert.rejects(other, misconfigured(/group 'other'.*may not use the consumer group/))
})
