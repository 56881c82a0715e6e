import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { BrokerUnavailable, brokerJars } from './jars.ts'

const BROKER = join(import.meta.dirname, 'broker.ts')

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

test('a broker does not outlive the process that started it, even when that is killed', async t => {
  try {
    await brokerJars()
  } catch (error) {
    if (!(error instanceof BrokerUnavailable) || process.env.CI === 'true') throw error
    console.error(`NOT TESTED WITH A REAL KAFKA: ${error.message}`)
    return t.skip(error.message)
  }
  const parent = spawn(process.execPath, [BROKER, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const line = (await createInterface(parent.stdout)[Symbol.asyncIterator]().next()).value as string
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(line)?.[1])
  assert.equal(await isOpen(port), true)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  const until = Date.now() + 20_000
  while (await isOpen(port)) {
    assert.ok(Date.now() < until, 'the broker still listens 20 s after its parent was killed')
    await setTimeout(50)
  }
})

test('without Java the error says what to install', async () => {
  const env = { PATH: dirname(process.execPath) }
  const run = promisify(execFile)(process.execPath, [BROKER], { env })
  await assert.rejects(run, (error: Error & { stderr: string }) => {
    assert.match(error.stderr, /^kafka broker: 'java' does not run; install a Java runtime/)
    return true
  })
})
