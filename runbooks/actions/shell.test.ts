import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../operators/clock.ts'
import { Secrets } from '../secrets.ts'
import type { ActionContext, Effect } from './action.ts'
import { ShellStep, shell } from './shell.ts'
import { shellEffect } from './shell-effect.ts'

const clock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal && { signal }).catch(() => {}),
}

const context = (fields: Partial<ActionContext> = {}): ActionContext => ({
  run: 'r1',
  runbook: 'a',
  incident: 'i1',
  place: { environment: 'production', service: 'checkout' },
  target: {},
  inputs: {},
  clock,
  deadline: Date.now() + 60_000,
  signal: new AbortController().signal,
  ...fields,
})

function run(fields: object, more: Partial<ActionContext> = {}, secrets = new Secrets([])): Promise<Effect> {
  const step = ShellStep.parse({ name: 'a', tool: 'shell', ...fields })
  return shell({ secrets }).run(step, { before: null, desired: null }, context(more))
}

/** Command lines of living processes that contain a text. */
function living(text: string): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap(name => {
      try {
        const line = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')
        const isZombie = /^State:\s+Z/m.test(readFileSync(`/proc/${name}/status`, 'utf8'))
        return line.includes(text) && !isZombie ? [line] : []
      } catch {
        return []
      }
    })
}

async function gone(text: string): Promise<boolean> {
  // A killed process leaves /proc when the kernel has reaped it; that is soon, and nobody tells us when.
  for (let tries = 0; tries < 50 && living(text).length > 0; tries++) await sleep(20)
  return living(text).length === 0
}

test("the issue's command runs", async () => {
  const effect = await run({ command: 'top -bn1 | head -20' })
  assert.equal(effect.succeeded, true, effect.output)
  assert.match(effect.output, /load average/)
  assert.equal(effect.changed, false)
})

test('a command sees its own few variables and none of ours', async () => {
  process.env.OPS_TEST_CANARY = 'canary-in-environment'
  const effect = await run({ command: 'env', env: { EXTRA: '$(id)' } }, { inputs: { metric: 'a"; id #', value: 3 } })
  delete process.env.OPS_TEST_CANARY
  const names = effect.output.split('\n').map(line => line.split('=')[0])
  assert.deepEqual(names.filter(Boolean).sort(), [
    ...['EXTRA', 'HOME', 'LANG', 'OPS_ENVIRONMENT', 'OPS_INCIDENT', 'OPS_INPUT_METRIC', 'OPS_INPUT_VALUE', 'OPS_RUN'],
    ...['OPS_RUNBOOK', 'OPS_SERVICE', 'PATH', 'PWD', 'TERM'],
  ])
  assert.match(effect.output, /OPS_INPUT_METRIC=a"; id #/)
  assert.match(effect.output, /EXTRA=\$\(id\)/)
  assert.match((await run({ command: 'pwd' })).output, /^\/$/m)
})

test('a value that looks like a command stays a value', async () => {
  const service = '$(echo broken); echo broken'
  const effect = await run({ command: 'echo "$OPS_SERVICE"' }, { place: { environment: 'production', service } })
  assert.equal(effect.output, `${service}\n`)
})

test('a timeout kills the whole group', async () => {
  const effect = await run({ command: 'sleep 61.5 & sleep 61.5 | cat', timeout: '300ms' })
  assert.equal(effect.succeeded, false)
  assert.match(effect.summary, /^killed after 300ms/)
  assert.ok(await gone('sleep 61.5'), living('sleep 61.5').join())
})

test('nothing outlives its step, not even what was sent to the background', async () => {
  const effect = await run({ command: 'sleep 62.5 >/dev/null 2>&1 & echo done' })
  assert.equal(effect.succeeded, true)
  assert.ok(await gone('sleep 62.5'), living('sleep 62.5').join())
})

test('a shutdown kills the group, and is no answer', async () => {
  const stop = new AbortController()
  const running = run({ command: 'sleep 63.5' }, { signal: stop.signal })
  stop.abort()
  await assert.rejects(running, /the executor stops/)
  assert.ok(await gone('sleep 63.5'))
})

test('output is read to its end and kept to its limit', async () => {
  const effect = await run({ command: 'yes 0123456789 | head -c 3000000' })
  assert.equal(effect.succeeded, true)
  assert.equal(effect.output.length, 50_000 + '\n[cut at 50000 characters]'.length)
})

test('a secret is masked, even where the limit would cut it in half', async () => {
  const secrets = new Secrets(['s3cr3t-canary-value'])
  const command = "head -c 49990 /dev/zero | tr '\\0' x; echo s3cr3t-canary-value"
  const effect = await run({ command }, {}, secrets)
  assert.ok(!effect.output.includes('s3cr3t'), effect.output.slice(-40))
})

test('expectations: exit code and text', async () => {
  assert.equal((await run({ command: 'exit 3' })).summary, 'exit code 3, expected 0')
  assert.equal((await run({ command: 'exit 3', expect: { exitCode: 3 } })).succeeded, true)
  const missing = await run({ command: 'echo ok', expect: { contains: 'ready' } })
  assert.deepEqual(
    [missing.succeeded, missing.summary],
    [false, 'exit code 0, but the output does not contain the expected text'],
  )
})

test('only a pipe of programs that look is taken for a read', () => {
  const f = (command: string, kind: string) => assert.equal(shellEffect(command), kind, command)
  f('top -bn1 | head -20', 'read')
  f('ps aux | grep node | wc -l', 'read')
  f('systemctl restart app', 'write')
  f('ps aux | xargs kill', 'write')
  f('cat a > b', 'write')
  f('ps; reboot', 'write')
  f('ps && reboot', 'write')
  f('ps || reboot', 'write')
  f('ps\nreboot', 'write')
  f('echo $(reboot)', 'write')
  f('echo `reboot`', 'write')
  f('X=1 reboot', 'write')
  f('| ps', 'write')
  f('/tmp/top', 'write')
})
