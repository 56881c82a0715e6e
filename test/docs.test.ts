import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { commands } from '../pipelines/commands/all.ts'
import { loadConfig } from '../pipelines/configuration/load.ts'
import { derivedFiles } from '../pipelines/derived.ts'
import { errors } from '../pipelines/errors.ts'
import { isTest, root, sources } from './repository.ts'

const read = (path: string) => readFileSync(`${root}${path}`, 'utf8')
const readme = read('README.md')

test('each derived file is as the code says', async () => {
  for (const [path, derive] of derivedFiles) {
    const text = existsSync(`${root}${path}`) ? read(path) : ''
    assert.equal(text, await derive(text), `${path} is stale; run npm run generate`)
  }
})

test('the reference configuration is valid and is nothing but the defaults', () => {
  const from = (file: string | undefined) => loadConfig({ file, env: {}, cwd: `${root}deploy` })
  const { data: _, ...reference } = from('ops-agent.yaml')
  const { data: __, ...defaults } = loadConfig({ env: {}, cwd: `${root}operators` })
  assert.deepEqual(JSON.parse(JSON.stringify(reference)), JSON.parse(JSON.stringify(defaults)))
})

test('what the reference configuration has commented out is as valid', () => {
  const uncommented = read('deploy/ops-agent.yaml').replaceAll(/^( *)# (\w+:(?: .*)?)$/gm, '$1$2')
  assert.doesNotThrow(() => parse(uncommented, { uniqueKeys: false }))
})

test('every error code is documented, and every documented code exists', () => {
  const raised = new Set(
    sources()
      .filter(source => !isTest(source) && source.path !== 'pipelines/errors.ts')
      .flatMap(({ text }) => [...text.matchAll(/\bcode(?: = |: )'(OPS_\w+)'|\bHttpError\(\s*'(OPS_\w+)'/g)])
      .map(([, own, http]) => own ?? http ?? ''),
  )
  assert.deepEqual([...raised].sort(), Object.keys(errors).sort())
  for (const code of Object.keys(errors)) assert.ok(readme.includes(`| \`${code}\` |`), code)
})

test('README names every dependency and no other, and is right about which are used', () => {
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
  const table = readme.slice(readme.indexOf('## Why these libraries'), readme.indexOf('## Why it is like this'))
  const rows = [...table.matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)].map(([, names = '', why = '']) => ({ names, why }))
  const named = new Map(rows.slice(1).flatMap(({ names, why }) => names.split(', ').map(name => [name, why] as const)))
  assert.deepEqual([...named.keys()].sort(), Object.keys(dependencies).sort())
  const code = sources()
    .map(({ text }) => text)
    .join('\n')
  for (const [name, why] of named) {
    const used =
      code.includes(`from '${name}'`) || code.includes(`from '${name}/`) || code.includes(`import('${name}')`)
    assert.equal(
      used,
      !why.includes('nothing uses them yet'),
      `${name}: README and the code disagree on whether it is used`,
    )
  }
})

test('README names only commands, scripts and files that exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  for (const [, script = ''] of readme.matchAll(/npm run (?:-s )?(\w+)/g))
    assert.ok(script in scripts, `npm run ${script}`)
  const words = new Set(commands.map(({ name }) => name))
  for (const [, words1 = ''] of readme.matchAll(/npm run -s ops -- ([a-z]+(?: [a-z]+)?)/g))
    assert.ok(words.has(words1) || words.has(words1.split(' ')[0]!), words1)
  for (const [, path = ''] of readme.matchAll(/`((?:deploy|test|pipelines|sinks|runbooks|operators)\/[\w./-]+)`/g))
    assert.ok(existsSync(`${root}${path}`), `${path} does not exist`)
})

test('each command says what it does, shows an example, and describes its flags', () => {
  for (const { name, summary, flags, examples } of commands) {
    assert.match(summary, /^[A-Z].*\.$/s, name)
    assert.ok(examples.length > 0, name)
    const names = flags.map(flag => flag.name)
    assert.equal(new Set(names).size, names.length, name)
    for (const flag of flags) assert.match(flag.summary, /^[A-Z].*[.)]$/s, `${name} --${flag.name}`)
  }
})
