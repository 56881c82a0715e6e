import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { commands as all } from './all.ts'
import { type Command, UsageError } from './command.ts'
import { parse } from './parse.ts'

const command = (name: string, more: Partial<Command> = {}): Command => ({
  name,
  summary: 'Does it.',
  flags: [
    { name: 'data', value: 'DIR', summary: 'Where.' },
    { name: 'logs', value: 'GLOB', many: true, summary: 'What.' },
    { name: 'json', summary: 'How.' },
  ],
  examples: [],
  run: async () => {},
  ...more,
})
const commands = [
  command('run'),
  command('runbook list', { arguments: [] }),
  command('runbook show', { arguments: [{ name: 'NAME', summary: 'Which.' }] }),
  command('check', { arguments: [{ name: 'PATH', summary: 'Which.', optional: true, many: true }] }),
  command('must', { flags: [{ name: 'by', value: 'NAME', summary: 'Who does it.', required: true }] }),
]
const call = (...words: string[]) => {
  const request = parse(commands, words)
  assert.ok(request.kind === 'call', request.kind)
  return request
}
const wrong = (want: string, ...words: string[]) =>
  assert.throws(
    () => parse(commands, words),
    (error: Error) => error instanceof UsageError && error.message === want,
    want,
  )

test('a command of two words is found before its flags and arguments', () => {
  const { command, call: given } = call('runbook', 'show', 'Memory leak', '--json', '--data', 'd')
  assert.equal(command.name, 'runbook show')
  assert.deepEqual(given.arguments, ['Memory leak'])
  assert.equal(given.is('json'), true)
  assert.equal(given.text('data'), 'd')
  assert.equal(given.text('logs'), undefined)
})

test('a flag is written with a space or an equals sign, and some several times', () => {
  assert.equal(call('run', '--data=d').call.text('data'), 'd')
  assert.deepEqual(call('run', '--logs', 'a', '--logs=b').call.texts('logs'), ['a', 'b'])
  assert.equal(call('run', '--data=--odd').call.text('data'), '--odd')
  assert.deepEqual(call('check', 'a', 'b').call.arguments, ['a', 'b'])
})

test('help is asked for in every customary way', () => {
  const f = (words: string[], name: string | undefined, group: string) => {
    const request = parse(commands, words)
    assert.ok(request.kind === 'help')
    assert.deepEqual([request.command?.name, request.group], [name, group])
  }
  f([], undefined, '')
  f(['--help'], undefined, '')
  f(['help'], undefined, '')
  f(['-h'], undefined, '')
  f(['run', '--help'], 'run', 'run')
  f(['run', '--data', 'd', '-h'], 'run', 'run')
  f(['help', 'run'], 'run', 'run')
  f(['help', 'runbook', 'show'], 'runbook show', 'runbook')
  f(['runbook'], undefined, 'runbook')
  f(['runbook', '--help'], undefined, 'runbook')
  assert.equal(parse(commands, ['--version']).kind, 'version')
})

test('what is wrong is one sentence with what was probably meant', () => {
  wrong("unknown command 'rnu'; did you mean 'run'?", 'rnu')
  wrong("unknown command 'runbook lst'; did you mean 'list'?", 'runbook', 'lst')
  wrong("unknown command 'zzzzzz'; use one of run, runbook, check, must", 'zzzzzz')
  wrong("unknown flag '--dta'; did you mean '--data'?", 'run', '--dta', 'x')
  wrong('--data needs a value; write --data DIR', 'run', '--data')
  wrong('--data needs a value; write --data DIR', 'run', '--data', '--json')
  wrong("--json takes no value; write it without '=yes'", 'run', '--json=yes')
  wrong("--data is given twice, 'a' and 'b'; keep one", 'run', '--data', 'a', '--data', 'b')
  wrong('NAME is missing; write ops-agent runbook show NAME', 'runbook', 'show')
  wrong("'b' is too much: runbook show takes 1 argument; put a pattern in quotes", 'runbook', 'show', 'a', 'b')
  wrong("unknown flag '--data'; put the command first: ops-agent COMMAND [flags]", '--data', 'x', 'run')
  wrong('--by is missing; who does it. Write --by NAME', 'must')
})

test('whatever the words, they are understood or refused in one sentence', () => {
  const word = fc.oneof(
    fc.constantFrom('run', 'runbook', 'list', '--data', '--json', '--', '-', '--=', '-x', '--logs=a', 'help'),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(word), words => {
      try {
        parse(all, words)
      } catch (error) {
        assert.ok(error instanceof UsageError, String((error as Error).stack))
        assert.ok(words.some(each => each.includes('\n')) || !error.message.includes('\n'), error.message)
      }
    }),
    { numRuns: 500 },
  )
})
