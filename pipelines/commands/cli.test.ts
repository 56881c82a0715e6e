import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { SinkError } from '../../sinks/store.ts'
import { runCli } from './cli.ts'
import { type Command, CommandError, type Context, UsageError } from './command.ts'

async function ran(words: string[], failure?: unknown): Promise<{ code: number; out: string; notes: string }> {
  let out = ''
  let notes = ''
  const context: Context = {
    env: {},
    cwd: '.',
    out: text => {
      out += text
    },
    note: text => {
      notes += text
    },
    input: Readable.from([]),
    terminal: { out: false, notes: false },
    stop: new AbortController().signal,
    now: () => 0,
  }
  const command: Command = {
    name: 'do',
    summary: 'Does it.',
    flags: [],
    examples: [],
    run: async () => {
      if (failure) throw failure
      context.out('done\n')
    },
  }
  return { code: await runCli([command], words, context, () => '1.2.3'), out, notes }
}

test('results go to the output, and 0 says that all went well', async () => {
  assert.deepEqual(await ran(['do']), { code: 0, out: 'done\n', notes: '' })
  assert.deepEqual(await ran(['--version']), { code: 0, out: '1.2.3\n', notes: '' })
  assert.match((await ran(['do', '--help'])).out, /^ops-agent do\n\nDoes it\.\n/)
})

test('what was not understood ends with 2, what failed with 1, and nothing of it goes to the output', async () => {
  const f = async (words: string[], failure: unknown, code: number, notes: string) =>
    assert.deepEqual(await ran(words, failure), { code, out: '', notes })
  await f(['du'], undefined, 2, "ops-agent: unknown command 'du'; did you mean 'do'?\n")
  await f(['do'], new UsageError('a is missing; give --a'), 2, 'ops-agent: a is missing; give --a\n')
  await f(['do'], new CommandError('no run'), 1, 'ops-agent: no run\n')
  const away = new SinkError('kafka x:1', 'unreachable', 'connection refused; start it or set log.brokers')
  await f(['do'], away, 1, 'ops-agent: kafka x:1: unreachable: connection refused; start it or set log.brokers\n')
})

test('each line of a failure of several lines is marked, and a fault of ours shows its place', async () => {
  assert.equal((await ran(['do'], new CommandError('a\nb'))).notes, 'ops-agent: a\nops-agent: b\n')
  const fault = await ran(['do'], new TypeError('x is not a function'))
  assert.equal(fault.code, 1)
  assert.match(fault.notes, /TypeError: x is not a function\n +at .*cli\.test\.ts/)
})
