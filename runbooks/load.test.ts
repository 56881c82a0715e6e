import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadRunbooks, parseRunbook, RunbookError } from './load.ts'
import { adapt, contentHash, rulesOf, runbookJsonSchema, triggersOf } from './runbook.ts'

const shipped = import.meta.dirname
const step = '  - { name: b, tool: wait, for: 1s }\n'

function problems(text: string): string[] {
  try {
    parseRunbook(text, 'runbooks/x.yaml')
  } catch (error) {
    assert.ok(error instanceof RunbookError)
    return error.message.split('\n')
  }
  return []
}

test('the runbooks shipped load, each waiting for approval', async () => {
  const runbooks = await loadRunbooks([shipped])
  assert.deepEqual(
    runbooks.map(({ name, mode, steps }) => [name, mode, steps.map(({ tool }) => tool)]),
    [
      ['High CPU Usage Response', 'approve', ['shell', 'log_analysis', 'render']],
      ['Memory leak', 'approve', ['shell', 'log_analysis', 'render']],
      ['Slow dependency', 'approve', ['log_analysis', 'render']],
    ],
  )
})

test('a metric trigger becomes a static rule; its duration gates the runbook only', async () => {
  const runbooks = await loadRunbooks([join(shipped, 'high-cpu-*.yaml')])
  assert.deepEqual(rulesOf(runbooks), [
    { name: 'High CPU Usage Response', metric: 'cpu_usage', threshold: 80, comparison: 'above' },
  ])
  assert.deepEqual(triggersOf(runbooks)[0]?.triggers, [
    { metric: 'cpu_usage', threshold: 80, comparison: 'above', duration: 300_000 },
  ])
})

test('a configuration divides every duration, and decides modes', async () => {
  const runbooks = await loadRunbooks([shipped])
  const [first, second] = adapt(runbooks, { timeScale: 10, mode: 'auto', modes: { 'Memory leak': 'observe' } })
  assert.deepEqual([first?.mode, second?.mode], ['auto', 'observe'])
  assert.deepEqual(first?.triggers[0], { metric: 'cpu_usage', threshold: 80, comparison: 'above', duration: 30_000 })
  assert.equal(first?.timeout, 360_000)
  assert.equal(first?.verify.timeout, 180_000)
  assert.equal(first?.steps[0]?.tool === 'shell' && first.steps[0].timeout, 3_000)
  assert.throws(
    () => adapt(runbooks, { modes: { 'memory leak': 'auto' } }),
    /no runbook "memory leak"; there are "High/,
  )
})

test('what a run would do changes the hash, how it is spoken of does not', () => {
  const hash = (text: string) => contentHash(parseRunbook(text, 'x.yaml'))
  const base = `name: a\nsteps:\n${step}`
  assert.equal(hash(base), hash(`${base}description: more\nmode: auto\n`))
  assert.notEqual(hash(base), hash(base.replace('1s', '2s')))
})

test('a wrong runbook names file, key, place and the likely fix', () => {
  const f = (text: string, ...wanted: string[]) => assert.deepEqual(problems(text), wanted)
  f(
    'name: a\nsteps:\n  - name: b\n    tool: shell\n    command: ls\n    tmeout: 5s\n',
    'runbooks/x.yaml: unrecognized key "tmeout" at steps[0]; did you mean "timeout"? (line 6, column 5)',
  )
  f(
    'name: a\nsteps:\n  - { name: b, tool: shel, command: ls }\n',
    'runbooks/x.yaml: unknown tool "shel" at steps[0]; did you mean "shell"? (line 3, column 22)',
  )
  f(
    'name: a\nsteps:\n  - { name: b, command: ls }\n',
    'runbooks/x.yaml: missing key "tool" at steps[0]; known: shell, log_analysis, render, wait (line 3, column 5)',
  )
  f(
    'name: a\nsteps:\n  - { name: b, tool: render, action: scale, params: {} }\n',
    'runbooks/x.yaml: unknown action "scale" at steps[0]; did you mean "scale_service"? (line 3, column 38)',
  )
  f(
    'name: a\nsteps:\n  - { name: b, tool: render, action: scale_service, params: { instance: 2 } }\n',
    'runbooks/x.yaml: missing key "instances" at steps[0].params (line 3, column 61)',
    'runbooks/x.yaml: unrecognized key "instance" at steps[0].params; did you mean "instances"? (line 3, column 63)',
  )
  f(
    `name: a\nmode: aprove\nsteps:\n${step}`,
    'runbooks/x.yaml: "aprove" at mode is not one of observe, suggest, approve, auto; did you mean "approve"? (line 2, column 7)',
  )
  f(
    'name: a\nsteps:\n  - { name: b, tool: wait, for: 5 s }\n',
    "runbooks/x.yaml: steps[0].for: '5 s' is not a duration such as 250ms, 30s, 5m, 1h (line 3, column 33)",
  )
  f(
    `name: a\ntriggers: [{ cause: { metrc: cpu, service: b } }]\nsteps:\n${step}`,
    'runbooks/x.yaml: unrecognized key "metrc" at triggers[0].cause; did you mean "metric"? (line 2, column 23)',
  )
  f(
    `name: a\nverify: { window: 1h }\nsteps:\n${step}`,
    'runbooks/x.yaml: verify.timeout: 30m is not longer than initialDelay 0s and window 1h together, so nothing could ever be verified; make it longer',
  )
  f('name: a\nname: b\n', 'runbooks/x.yaml: map keys must be unique (line 2, column 1)')
  f('', 'runbooks/x.yaml: null is not an object')
  f('- a', 'runbooks/x.yaml: ["a"] is not an object (line 1, column 1)')
})

test('a name taken twice names both files; every wrong file is told of at once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ops-runbooks-'))
  try {
    const write = (name: string, text: string) => writeFile(join(folder, name), text)
    await write('a.yaml', `name: same\nsteps:\n${step}`)
    await write('b.yml', `name: same\nsteps:\n${step}`)
    await write('c.yaml', 'name: c\n')
    await write('c.test.yaml', 'not a runbook')
    await assert.rejects(loadRunbooks([folder]), {
      message: [
        `${join(folder, 'b.yml')}: name "same" is taken by ${join(folder, 'a.yaml')}; rename one of them`,
        `${join(folder, 'c.yaml')}: missing key "steps" (line 1, column 1)`,
      ].join('\n'),
    })
    await assert.rejects(loadRunbooks([join(folder, 'none')]), /none: no such file or folder; correct the path/)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('the schema for editors knows every tool and its fields', () => {
  const schema = JSON.stringify(runbookJsonSchema())
  for (const word of [
    'shell',
    'log_analysis',
    'scale_service',
    'restart_service',
    'wait',
    'minConfidence',
    'onFailure',
  ])
    assert.ok(schema.includes(`"${word}"`), word)
})
