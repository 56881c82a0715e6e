import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

// The package as its users get it: packed by npm, unpacked under a node_modules folder, run from elsewhere. What it
// depends on is linked from here, for that needs no network; .ci/run installs it with all that for real.

const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}`, OPS_CONFIG: '' }

let folder: string
let installed: string

async function pack(): Promise<string> {
  const source = join(folder, 'source')
  for (const part of [
    'pipelines',
    'operators',
    'sinks',
    'runbooks',
    'deploy',
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
  ])
    await cp(join(root, part), join(source, part), { recursive: true })
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: source, env })
  const left = (await readdir(join(source, 'pipelines'))).filter(name => name.endsWith('.js'))
  assert.deepEqual(left, [], 'packing must leave nothing behind')
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [{ filename: string }]
  return join(folder, filename)
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-package-'))
  const tarball = await pack()
  const modules = join(folder, 'app', 'node_modules')
  installed = join(modules, 'ops-agent')
  await mkdir(installed, { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'])
  for (const name of await readdir(join(root, 'node_modules')))
    if (!name.startsWith('.')) await symlink(join(root, 'node_modules', name), join(modules, name))
})
after(() => rm(folder, { recursive: true, force: true }))

const files = async (suffix: string) =>
  (await readdir(installed, { recursive: true })).filter(name => name.endsWith(suffix))
const ops = (...words: string[]) =>
  run(process.execPath, [join(installed, 'pipelines/main.js'), ...words], { cwd: join(folder, 'app'), env })

test('the package holds JavaScript and what it reads at run time, and neither sources nor tests', async () => {
  assert.deepEqual(await files('.ts'), [])
  const tests = (await files('')).filter(name => /\.test\.|^test\//.test(name))
  assert.deepEqual(tests, [])
  const present = new Set(await files(''))
  for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md', 'deploy/ops-agent.yaml', 'runbooks/high-cpu-usage.yaml'])
    assert.ok(present.has(name), name)
  assert.ok((await files('.sql')).length > 0)
})

test('every module of ours that a shipped module names is shipped too', async () => {
  const named = /(?:\bfrom\s+|\bimport\s*\(?\s*|\bnew URL\(\s*)['"](\.{1,2}\/[^'"]+\.[jt]s)['"]/g
  const present = new Set((await files('')).map(name => join(installed, name)))
  for (const name of await files('.js'))
    for (const [, target = ''] of (await readFile(join(installed, name), 'utf8')).matchAll(named))
      assert.ok(present.has(resolve(installed, dirname(name), target)), `${name} names ${target}`)
})

test('its command runs from a node_modules folder', async () => {
  assert.match((await ops('--help')).stdout, /^ops-agent COMMAND \[flags\]/)
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  assert.equal((await ops('--version')).stdout, `${version}\n`)
  const runbooks = JSON.parse((await ops('runbook', 'list', '--json')).stdout) as { name: string }[]
  assert.ok(runbooks.some(({ name }) => name === 'High CPU Usage Response'))
})

test('a failing command of the package is one sentence and a code that is not 0', async () => {
  const failed = await ops('run', '--config', 'nowhere.yaml').catch(error => error as { code: number; stderr: string })
  assert.ok('code' in failed)
  assert.equal(failed.code, 1)
  assert.equal(failed.stderr, "ops-agent: configuration 'nowhere.yaml': there is no such file; correct --config\n")
})
