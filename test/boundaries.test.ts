import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { posix } from 'node:path'
import { test } from 'node:test'
import { folders, isTest, root, type Source, sources } from './repository.ts'

const all = sources()
const shipped = all.filter(source => !isTest(source))

/** Modules that a source names, ours as paths from the root, others as they are written. */
function importsOf({ path, text }: Source): string[] {
  const named = [...text.matchAll(/^\s*(?:import|export)\b[^'"]*?from\s+'([^']+)'|\bimport\s*\(?\s*'([^']+)'/gm)]
  return named
    .map(([, from, bare]) => from ?? bare ?? '')
    .map(name => (name.startsWith('.') ? posix.join(posix.dirname(path), name) : name))
}
const folderOf = (path: string) => path.split('/')[0] ?? ''
const isOurs = (name: string) => (folders as readonly string[]).includes(folderOf(name)) && name.endsWith('.ts')

/** Fails naming the line, not the whole text. */
function lacks({ path, text }: Source, pattern: RegExp, why: string): void {
  const found = pattern.exec(text)
  const line = found && text.slice(0, found.index).split('\n').length
  assert.ok(!found, `${path}:${line}: ${why} ('${found?.[0].trim()}')`)
}

test('the imports of a source are all seen', () => {
  const text =
    "import a from './a.ts'\nimport {\n  b,\n} from '../b.ts'\nawait import('./c.ts')\nexport { d } from 'd'\nimport './e.ts'"
  assert.deepEqual(importsOf({ path: 'sinks/x.ts', text }), ['sinks/a.ts', 'b.ts', 'sinks/c.ts', 'd', 'sinks/e.ts'])
})

test('operators import nothing of ours, sinks and runbooks only operators, and nobody imports tests or the program', () => {
  const may: Record<string, readonly string[]> = {
    operators: ['operators'],
    sinks: ['sinks', 'operators'],
    runbooks: ['runbooks', 'operators'],
    pipelines: ['pipelines', 'operators', 'sinks', 'runbooks'],
    deploy: ['deploy', 'pipelines', 'operators', 'sinks', 'runbooks', 'test'],
    test: folders,
  }
  for (const source of all)
    for (const name of importsOf(source).filter(isOurs)) {
      const allowed = isTest(source) ? folders : may[folderOf(source.path)]!
      assert.ok(allowed.includes(folderOf(name)), `${source.path} imports ${name}; see CONTRIBUTING.md`)
      assert.notEqual(name, 'pipelines/main.ts', `${source.path} imports the program`)
      if (!isTest(source))
        assert.ok(!/^test\//.test(name) || folderOf(source.path) === 'deploy', `${source.path} imports ${name}`)
    }
})

test('each of the large libraries is known to one or two files', () => {
  const known: Record<string, readonly string[]> = {
    kafkajs: ['pipelines/sources/kafka-client.ts'],
    '@kafkajs/confluent-schema-registry': [],
    ioredis: ['sinks/redis-cache.ts'],
    chdb: ['sinks/embedded-store.ts'],
    '@clickhouse/client': [
      'sinks/embedded-store.ts',
      'sinks/clickhouse-store.ts',
      'sinks/client-store.ts',
      'sinks/store-error.ts',
    ],
    arima: [],
    'ml-isolation-forest': ['operators/score/forest.ts'],
    fastify: ['sinks/api.ts', 'pipelines/sources/otlp-http.ts'],
    '@sentry/node': ['pipelines/sentry.ts'],
    piscina: [],
    pino: ['pipelines/logger.ts'],
    cockatiel: ['pipelines/doors/guard.ts', 'pipelines/doors/backoff.ts'],
  }
  for (const source of shipped)
    for (const name of importsOf(source))
      for (const [library, files] of Object.entries(known))
        if (name === library || name.startsWith(`${library}/`))
          assert.ok(
            files.includes(source.path),
            `${source.path} imports ${name}, which belongs to ${files.join(', ') || 'nobody yet'}`,
          )
})

test('operators take time, chance and the world only as they are handed in', () => {
  const forbidden: Record<string, RegExp> = {
    'the wall clock': /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/,
    chance: /\bMath\.random\b|\brandomUUID\b|\brandomBytes\b/,
    timers: /\b(setTimeout|setInterval|setImmediate)\(/,
    'the environment': /\bprocess\.(env|argv|hrtime|uptime|memoryUsage|std\w+)\b/,
    'input and output': /from 'node:(?!crypto')/,
  }
  // Lends a seeded Math.random to a library that has no seed, and gives it back.
  const lends = 'operators/score/forest.ts'
  for (const source of shipped.filter(({ path }) => path.startsWith('operators/') && path !== lends))
    for (const [what, pattern] of Object.entries(forbidden))
      lacks(source, pattern, `uses ${what}; replay would differ from live`)
})

test('the environment and the arguments of the process are read in one place', () => {
  const readers = shipped.filter(
    ({ path, text }) => !path.startsWith('deploy/') && /\bprocess\.(env|argv)\b/.test(text),
  )
  assert.deepEqual(
    readers.map(({ path }) => path),
    ['pipelines/main.ts'],
  )
})

test('no query asks for columns it does not name', () => {
  for (const source of [...shipped, ...sources('.sql')])
    lacks(source, /\bSELECT\s+(DISTINCT\s+)?(\w+\.)?\*/i, 'name the columns; a new one would change the answer')
})

test('no file is a drawer for everything', () => {
  for (const { path } of all)
    assert.doesNotMatch(
      path,
      /(^|\/)(utils?|helpers?|common|misc|index)(\.\w+)?\.ts$|\/(utils?|helpers?|common)\//,
      path,
    )
})

test('file names are kebab-case', () => {
  for (const { path } of all)
    assert.match(posix.basename(path), /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|chaos|bench|fixture|d))?\.ts$/, path)
})

test('no file is longer than anybody reads', () => {
  for (const { path, text } of shipped) assert.ok(text.split('\n').length <= 400, `${path}: look for its second idea`)
})

test('no source names a place of one machine', () => {
  const home = new RegExp(`(^|[\\s'"\`(=:])/(${['work', 'root', 'home/\\w+', 'Users/\\w+'].join('|')})/`, 'm')
  for (const suffix of ['.ts', '.sql', '.yaml', '.json', '.md'])
    for (const source of sources(suffix)) lacks(source, home, 'names a place of one machine')
})

test('nothing stands at the top but our folders and what is customary', () => {
  const customary =
    /^(\..*|node_modules|data|coverage|package(-lock)?\.json|tsconfig\.json|biome\.json|[A-Z]+\.md|LICENSE|.*\.tgz)$/
  for (const name of readdirSync(root))
    assert.ok(
      (folders as readonly string[]).includes(name) || customary.test(name),
      `${name}: has no place at the top level`,
    )
})
