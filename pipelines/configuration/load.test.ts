import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { milliseconds } from '../../operators/window.ts'
import { Config } from '../config.ts'
import { variableOf } from './environment.ts'
import { type Field, fieldsOf } from './fields.ts'
import { ConfigError, loadConfig } from './load.ts'

const folder = mkdtempSync(join(tmpdir(), 'ops-config-'))
after(() => rmSync(folder, { recursive: true }))

const file = join(folder, 'ops-agent.yaml')
type Given = { env?: Record<string, string>; set?: string[]; data?: string }
const load = (yaml: string, { env = {}, ...flags }: Given = {}) => {
  writeFileSync(file, yaml)
  return loadConfig({ file, env, cwd: folder, ...flags })
}
const problems = (yaml: string, given: Given = {}): readonly string[] => {
  try {
    load(yaml, given)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    assert.equal(error.code, 'OPS_CONFIG')
    return error.problems.map(problem => problem.replaceAll(file, 'f'))
  }
  return assert.fail(`'${yaml}' was accepted`)
}
const at = (value: unknown, path: readonly string[]) =>
  path.reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], value)
const fields = fieldsOf(Config)
const named = (path: string): Field => fields.find(field => field.path.join('.') === path) ?? assert.fail(path)

/** A configuration in which the variant that a field belongs to is chosen. */
const variantOf = (field: Field) => (field.when ? { [field.when.path[0]!]: { in: field.when.value } } : {})

test('no file, no variables and no flags give the defaults, with paths made absolute', () => {
  const config = loadConfig({ env: {}, cwd: folder.replace('ops-config', 'ops-empty') })
  assert.equal(config.log.in, 'embedded')
  assert.equal(config.http.port, 8080)
  assert.ok(config.data.endsWith('/data'))
  assert.deepEqual(config.inputs, [
    { topic: 'telemetry.logs', foreign: false },
    { topic: 'telemetry.metrics', foreign: false },
  ])
})

test('timeScale divides every duration there is, and nothing else', () => {
  const durations = fields.filter(field => field.kind === 'duration')
  assert.ok(durations.length >= 16, String(durations.length))
  for (const field of durations) {
    const written = field.default ?? '100s'
    const name = field.path.join('.')
    const config = load(stringify({ ...variantOf(field), timeScale: 5 }), { set: [`${name}=${written}`] })
    const ms = typeof written === 'number' ? written : milliseconds(String(written))
    assert.equal(at(config, field.path), ms / 5, name)
  }
  const plain = JSON.stringify(load(''))
  const scaled = JSON.parse(JSON.stringify(load('timeScale: 5')))
  for (const { path } of durations)
    if (at(scaled, path) !== undefined) (at(scaled, path.slice(0, -1)) as Record<string, number>)[path.at(-1)!]! *= 5
  assert.equal(JSON.stringify({ ...scaled, timeScale: 1 }), plain)
})

test('no number of the schema is a duration in disguise', () => {
  for (const { path, kind, description } of fields)
    if (kind === 'number' && !/windows/i.test(description))
      assert.doesNotMatch(path.at(-1)!, /(ms|millis|seconds|minutes|timeout|interval|every|after|window)$/i)
})

test('each setting has a description, a variable of its own, and takes its own default back', () => {
  const variables = new Set<string>()
  for (const field of fields) {
    const name = field.path.join('.')
    assert.match(field.description, /^(host:port|[A-Z]).*\.$/s, name)
    const shared = fields.some(other => other !== field && other.path.join('.') === name)
    assert.ok(shared || !variables.has(variableOf(field.path)), name)
    variables.add(variableOf(field.path))
    if (field.default !== undefined && field.kind !== 'map' && field.when === undefined)
      load('', { set: [`${name}=${Array.isArray(field.default) ? field.default.join(',') : field.default}`] })
  }
})

test('a variable beats the file, and a flag beats the variable', () => {
  const yaml = 'http: { port: 1 }\nenvironment: file'
  assert.equal(load(yaml).http.port, 1)
  assert.equal(load(yaml, { env: { OPS_HTTP_PORT: '2' } }).http.port, 2)
  assert.equal(load(yaml, { env: { OPS_HTTP_PORT: '2' }, set: ['http.port=3'] }).http.port, 3)
  assert.equal(load(yaml, { env: { OPS_DATA: '/a' }, data: '/b' }).data, '/b')
})

test('variables are typed by the setting they name', () => {
  const config = load('', {
    env: {
      OPS_LOG_IN: 'kafka',
      OPS_LOG_BROKERS: 'a:9092, b:9092',
      OPS_LOG_CREATE_TOPICS: 'no',
      OPS_DETECTION_WINDOW: '90s',
      OPS_RUNBOOKS_OVERRIDES: '{high-cpu: {mode: auto}}',
      OPS_INPUTS: 'otlp_logs,otlp_metrics',
    },
  })
  assert.ok(config.log.in === 'kafka')
  assert.deepEqual(config.log.brokers, ['a:9092', 'b:9092'])
  assert.equal(config.log.createTopics, false)
  assert.equal(config.detection.window, 90_000)
  assert.equal(config.runbooks.overrides['high-cpu']?.mode, 'auto')
  assert.deepEqual(
    config.inputs.map(input => input.topic),
    ['otlp_logs', 'otlp_metrics'],
  )
})

test('paths of a file start from the folder of the file, others from the working folder', () => {
  writeFileSync(file, 'services: services.yaml\ndata: d')
  const config = loadConfig({ file, env: { OPS_RUNBOOKS_PATHS: 'own' }, cwd: '/elsewhere' })
  assert.equal(config.services, join(folder, 'services.yaml'))
  assert.equal(config.data, join(folder, 'd'))
  assert.deepEqual(config.runbooks.paths, ['/elsewhere/own'])
})

test('a secret comes from text, a file or a variable, and is in no printed configuration', () => {
  writeFileSync(join(folder, 'key'), 'from-file\n')
  const f = (yaml: string, env: Record<string, string>, want: string) => {
    const config = load(yaml, { env })
    assert.equal(config.render.apiKey?.reveal(), want)
    assert.ok(!JSON.stringify(config).includes(want))
  }
  f('render: { apiKey: plain-text }', {}, 'plain-text')
  f('render: { apiKey: { file: key } }', {}, 'from-file')
  f('render: { apiKey: { env: MINE } }', { MINE: 'from-env' }, 'from-env')
  f('', { OPS_RENDER_API_KEY: 'direct-env' }, 'direct-env')
  f('', { OPS_RENDER_API_KEY_FILE: 'key' }, 'from-file')
})

test('a wrong setting is named with file, line, path, value and the fix', () => {
  const f = (yaml: string, ...want: string[]) => assert.deepEqual(problems(yaml), want)
  f('detection:\n  windw: 3m', "f:2: detection.windw: is no setting; did you mean 'window'?")
  f('http:\n\n  port: abc', "f:3: http.port: 'abc' is not a number")
  f('http: { port: 70000 }', 'f:1: http.port: 70000 is too large; make it at most 65535')
  f('log:\n  in: kafak', "f:2: log.in: 'kafak' is not known; did you mean 'kafka'?")
  f(
    'detection: { idleAfter: 5 minutes }',
    "f:1: detection.idleAfter: '5 minutes' is not a duration such as 250ms, 30s, 5m, 1h",
  )
  f('render: { apiKey: [1] }', 'f:1: render.apiKey: is not a secret; write its text, { file: PATH } or { env: NAME }')
  f('inputs: [a, { topc: b }]', "f:1: inputs.1: 'topc' is no setting; did you mean 'topic'?")
  f('a: [', 'f:1: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]')
  f('- a', "f: holds no settings; write them as 'name: value' lines (see deploy/ops-agent.yaml)")
  f(
    'render:\n  apiKey: { file: nowhere }',
    `f:2: render.apiKey: secret file 'nowhere' cannot be read (ENOENT); create it or correct the path`,
  )
})

test('a setting of another variant says which variant it belongs to', () => {
  assert.deepEqual(problems('log: { brokers: [a:1] }'), [
    "f:1: log.brokers: belongs to log.in: kafka, but log.in is 'embedded'; set log.in to 'kafka' or remove this",
  ])
})

test('all that is wrong is said at once', () => {
  assert.equal(problems('detection: { windw: 1m }\nhttp: { port: x }\nlogging: { level: wran }').length, 3)
})

test('two settings that contradict each other are named with both values, both lines and the fix', () => {
  const f = (yaml: string, want: RegExp) => assert.match(problems(yaml).join('\n'), want)
  f('otlp:\n  port: 9\nhttp:\n  port: 9', /^f:4 and f:2: http.port: 9 is also otlp.port 9; give one of them another$/)
  f('incidents: { gap: 10s }', /^f:1: incidents.gap: 10s is shorter than detection.window 1m, .*make it at least 1m$/)
  f(
    'store: { in: clickhouse, url: "http://u:hunter2@h:1" }',
    /store.url: holds a password; put it into store.password$/,
  )
  f('incidents: { resolveAfter: 30s }', /^f:1: incidents.resolveAfter: 30s is shorter than detection.window 1m/)
  f('log: { in: kafka }\ntimeScale: 20', /log.sessionTimeout: 30s divided by timeScale 20 .* make it at least 2m$/)
  f('http: { host: 0.0.0.0 }', /http.host: '0.0.0.0' is reachable .*set http.token, or http.allowAnonymous: true$/)
  f('cache: { in: redis, url: "redis://:hunter2@h:1" }', /cache.url: holds a password; put it into cache.password$/)
  load('http: { host: 0.0.0.0, token: sesame }')
  load('http: { host: 0.0.0.0, allowAnonymous: true }')
  load('http: { host: 127.0.0.2 }')
})

test('a wrong variable or flag is named as such, also one that is a slip away from a setting', () => {
  assert.deepEqual(problems('', { env: { OPS_HTTP_PORT: 'x' } }), [
    "environment variable OPS_HTTP_PORT: http.port: 'x' is not a number",
  ])
  assert.deepEqual(problems('', { env: { OPS_LOG_BROKER: 'x' } }), [
    'environment variable OPS_LOG_BROKER: is no setting; did you mean OPS_LOG_BROKERS?',
  ])
  assert.deepEqual(problems('', { set: ['http.prt=3'] }), ["--set http.prt: is no setting; did you mean 'http.port'?"])
  // Kubernetes gives every pod variables named after the services beside it.
  load('', { env: { OPS_AGENT_SERVICE_HOST: '10.0.0.1', OPS_AGENT_PORT: 'tcp://10.0.0.1:80' } })
})

test('a value that is a secret is in no message', () => {
  const shown = problems('http: { token: 12345678 }\nrender: { apiKey: { file: k, env: hunter2 } }').join()
  assert.ok(!shown.includes('12345678') && !shown.includes('hunter2'), shown)
})

test('whatever a file holds, loading ends in a configuration or in a ConfigError', () => {
  const anything = fc.oneof(
    fc.string(),
    fc.dictionary(fc.constantFrom(...new Set(fields.map(field => field.path[0]!))), fc.anything()).map(value => {
      try {
        return stringify(value)
      } catch {
        return ''
      }
    }),
  )
  fc.assert(
    fc.property(anything, yaml => {
      try {
        load(yaml)
      } catch (error) {
        assert.ok(error instanceof ConfigError, String((error as Error).stack))
      }
    }),
    { numRuns: 300 },
  )
})

test('a missing file is said in one sentence', () => {
  assert.throws(
    () => loadConfig({ file: 'nope.yaml', env: {}, cwd: folder }),
    /configuration 'nope.yaml': there is no such file; correct --config/,
  )
  assert.equal(named('http.port').default, 8080)
})
