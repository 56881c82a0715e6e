import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { loadConfig } from '../pipelines/configuration/load.ts'

// No container is started here; what can be wrong without one is looked at.

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFile(join(root, path), 'utf8')

const Compose = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string().optional(),
      environment: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
      ports: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      depends_on: z.record(z.string(), z.unknown()).default({}),
      healthcheck: z.unknown().optional(),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
})
const compose = Compose.parse(parse(await read('deploy/compose.yaml')))
const dockerfile = await read('deploy/Dockerfile')

/** `${NAME:-default}` as compose fills it in where NAME is not set. */
const filledIn = (text: string) => text.replace(/\$\{\w+:-([^}]*)\}/g, '$1')

test('images are pinned to a version, and the agent runs on the Node that is tested', async () => {
  const { devDependencies } = JSON.parse(await read('package.json'))
  const from = /^FROM (\S+)$/m.exec(dockerfile)![1]!
  assert.match(from, new RegExp(`^node:${devDependencies.node}-`))
  for (const { image } of Object.values(compose.services))
    if (image) assert.match(image, /:\d+\.\d+\.\d+/, `${image} is not pinned`)
  const kafka = /<kafka\.version>([^<]+)</.exec(await read('deploy/kafka/pom.xml'))![1]!
  assert.equal(compose.services.kafka?.image, `apache/kafka:${kafka}`, 'as the tests have it')
})

test('the agent’s environment is a configuration, and names servers of this file', () => {
  const given = Object.entries(compose.services['ops-agent']!.environment)
  const image = [...dockerfile.matchAll(/\b(OPS_\w+)=(\S+)/g)].map(([, name, value]) => [name, value])
  const env = Object.fromEntries([...image, ...given.map(([name, value]) => [name, filledIn(String(value))])])
  const config = loadConfig({ env, cwd: '/opt/ops-agent' })
  assert.deepEqual([config.log.in, config.store.in, config.cache.in], ['kafka', 'clickhouse', 'redis'])
  const hosts = [env.OPS_LOG_BROKERS, new URL(env.OPS_STORE_URL!).host, new URL(env.OPS_CACHE_URL!).host]
  for (const host of hosts) assert.ok(compose.services[host!.split(':')[0]!], `${host} is a service`)
  const { password } = config.store.in === 'clickhouse' ? config.store : {}
  assert.equal(password?.reveal(), filledIn(String(compose.services.clickhouse!.environment.CLICKHOUSE_PASSWORD)))
})

test('whom the agent waits for can say that it is ready; nothing is published beyond this machine', () => {
  for (const name of Object.keys(compose.services['ops-agent']!.depends_on))
    assert.ok(compose.services[name]?.healthcheck, `${name} has a health check`)
  for (const [name, { ports, volumes }] of Object.entries(compose.services)) {
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:/, `${name} publishes ${port}`)
    for (const volume of volumes) assert.ok(volume.split(':')[0]! in compose.volumes, `${volume} is a volume`)
  }
})

test('the image holds all that the agent imports', async () => {
  const copied = [...dockerfile.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, names]) => names!.split(' '))
  const allowed = (await read('deploy/Dockerfile.dockerignore')).matchAll(/^!(\S+)$/gm)
  assert.deepEqual([...allowed].map(([, name]) => name).sort(), copied.sort())
  for (const path of copied) assert.ok(existsSync(join(root, path)), `${path} exists`)
})
