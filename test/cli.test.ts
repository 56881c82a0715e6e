import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

// The program as people call it: a process of its own, its words, its output and its exit code.

const main = fileURLToPath(new URL('../pipelines/main.ts', import.meta.url))
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OPS_')))

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-cli-'))
})
after(() => rm(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly out: string
  readonly notes: string
}

const ops = (...words: string[]): Promise<Ended> =>
  new Promise(resolve => {
    execFile(process.execPath, [main, ...words], { cwd: folder, env }, (error, out, notes) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out, notes }),
    )
  })

/** A port at which nothing listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Starts an agent and resolves when it says that it runs. */
async function startAgent(...words: string[]): Promise<{ child: ChildProcess; api: string; stop(): Promise<number> }> {
  const child = spawn(process.execPath, [main, 'run', '--set', 'http.port=0', '--set', 'otlp.port=0', ...words], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stderr! })) {
    lines.push(line)
    const { msg, api } = JSON.parse(line) as { msg: string; api: string }
    if (msg !== 'running') continue
    child.stderr?.resume()
    const stop = async () => {
      child.kill('SIGTERM')
      const [code] = (await once(child, 'exit')) as [number]
      return code
    }
    return { child, api, stop }
  }
  throw new Error(`the agent did not start: ${lines.join('\n')}`)
}

test('a server that cannot be reached is one sentence with its address and its setting, and exit code 1', async () => {
  const port = await closedPort()
  const f = async (settings: string[], want: RegExp) => {
    const { code, out, notes } = await ops('run', '--data', 'unreachable', ...settings.flatMap(text => ['--set', text]))
    assert.equal(code, 1, notes)
    assert.equal(out, '')
    const sentences = notes.split('\n').filter(line => line.startsWith('ops-agent: '))
    assert.equal(sentences.length, 1, notes)
    assert.match(sentences[0]!, want)
  }
  await f(
    ['cache.in=redis', `cache.url=redis://127.0.0.1:${port}`],
    new RegExp(`127.0.0.1:${port}: unreachable.*cache.url`),
  )
  await f(
    ['log.in=kafka', `log.brokers=127.0.0.1:${port}`],
    new RegExp(`kafka 127.0.0.1:${port}: unreachable.*log.brokers`),
  )
  await f(
    ['store.in=clickhouse', `store.url=http://127.0.0.1:${port}`],
    new RegExp(`127.0.0.1:${port}: unreachable.*store.url`),
  )
})

test('a wrong configuration is named with file, line and fix, and exit code 1', async () => {
  await writeFile(join(folder, 'wrong.yaml'), 'detection:\n  windw: 1m\n')
  const { code, notes } = await ops('run', '--config', 'wrong.yaml')
  assert.equal(code, 1)
  assert.equal(notes, "ops-agent: wrong.yaml:2: detection.windw: is no setting; did you mean 'window'?\n")
})

test('what cannot be had is one sentence with its fix, and no stack', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  await writeFile(join(folder, 'a-file'), '')
  await writeFile(join(folder, 'a.log.gz'), 'no gzip')
  const cases: [words: string[], code: number, notes: RegExp][] = [
    [['replay', '--data', 'none', '--logs', '*.nothing'], 1, /^ops-agent: files '\*\.nothing': no file matches; .*\n$/],
    [['replay', '--data', 'none', '--logs', 'a.log.gz'], 1, /^ops-agent: file 'a\.log\.gz': unreadable \(.*\)\n$/],
    [['replay', '--data', 'none', '--metrics', 'a-file'], 1, /^ops-agent: metrics file 'a-file': neither \.csv.*\n$/],
    [
      ['run', '--data', 'none', '--set', `http.port=${port}`, '--set', 'otlp.port=0'],
      1,
      new RegExp(`^ops-agent: http.port: 127.0.0.1:${port} is taken by another process; stop it or set http.port\n$`),
    ],
    [
      ['run', '--data', 'none', '--set', `otlp.port=${port}`, '--set', 'http.port=0'],
      1,
      new RegExp(`^ops-agent: otlp.port: 127.0.0.1:${port} is taken by another process; stop it or set otlp.port\n$`),
    ],
    [
      ['run', '--data', 'none', '--set', 'otlp.host=192.0.2.1', '--set', 'otlp.port=0', '--set', 'http.port=0'],
      1,
      /^ops-agent: otlp: 192\.0\.2\.1:0 cannot be listened on \(EADDRNOTAVAIL\); set otlp\.host\n$/,
    ],
    [['run', '--data', 'a-file'], 1, /^ops-agent: data folder '.*a-file': cannot be written \(EEXIST\); .*--data\n$/],
    [
      ['runbook', 'list', '--set', 'runbooks.overrides={ Nope: { mode: auto } }'],
      1,
      /^ops-agent: runbooks\.overrides: no runbook 'Nope'; use one of High CPU Usage Response, .*\n$/,
    ],
    [['runbook', 'check', 'nope.yaml'], 1, /^ops-agent: nope\.yaml: no such file or folder; correct the path\n$/],
    [
      ['topics', 'plan', '--set', 'log.in=kafka', '--set', `log.brokers=127.0.0.1:${await closedPort()}`],
      1,
      /^ops-agent: kafka 127\.0\.0\.1:\d+: unreachable.*log\.brokers\n$/,
    ],
    [['incidents', 'list', '--data', 'none', '--limit', 'abc'], 2, /^ops-agent: limit: is not a number\n$/],
  ]
  try {
    for (const [words, code, notes] of cases) {
      const ended = await ops(...words)
      assert.match(ended.notes, notes, words.join(' '))
      assert.equal(ended.code, code, words.join(' '))
    }
  } finally {
    taken.close()
  }
})

test('what cannot be run as a part, or told, is one sentence with its fix', async () => {
  const cases: [words: string[], code: number, notes: RegExp][] = [
    [
      ['run', '--data', 'none', '--workers', '4'],
      1,
      /^ops-agent: --workers: the embedded log and store belong to one process, so 3 of 4 could not work; set log\.in=kafka and store\.in=clickhouse, or leave --workers out\n$/,
    ],
    [
      ['run', '--data', 'none', '--pipelines', 'logs', '--set', 'log.in=kafka'],
      1,
      /^ops-agent: --pipelines: the embedded store belongs to one process, so entry\..*, runs would run nowhere; set store\.in=clickhouse, or leave --pipelines out\n$/,
    ],
    [
      ['run', '--data', 'none', '--pipelines', 'log'],
      1,
      /^ops-agent: --pipelines: no pipeline 'log'; did you mean 'logs'\?\n$/,
    ],
    [['run', '--data', 'none', '--workers', 'two'], 2, /^ops-agent: --workers 'two' is no number from 1 to 999; .*\n$/],
    [
      ['controls', 'trust', 'x', 'auto', '--by', 'ana'],
      2,
      /^ops-agent: auto is what a control cannot give; set runbooks\.overrides .*\n$/,
    ],
    [['controls', 'pause', '/shop', '--by', 'ana'], 2, /^ops-agent: '\/shop' is no scope; write ENVIRONMENT or .*\n$/],
    [['controls', 'pause', '--data', 'none', '--by', 'ana'], 1, /^ops-agent: no agent runs on data folder .*\n$/],
  ]
  for (const [words, code, notes] of cases) {
    const ended = await ops(...words)
    assert.match(ended.notes, notes, words.join(' '))
    assert.equal(ended.code, code, words.join(' '))
  }
})

test('commands that print data print JSON and nothing else when asked for it', async () => {
  for (const words of [
    ['runbook', 'list'],
    ['describe'],
    ['version'],
    ['topics', 'plan', '--data', 'json'],
    ['migrate', '--data', 'json'],
    ['incidents', 'list', '--data', 'json'],
    ['controls', 'list', '--data', 'json'],
  ]) {
    const { code, out, notes } = await ops(...words, '--json')
    assert.equal(code, 0, `${words.join(' ')}: ${notes}`)
    assert.doesNotThrow(() => JSON.parse(out), words.join(' '))
    assert.equal(notes, '', words.join(' '))
  }
})

test('a reader that goes away is no failure', async () => {
  const child = spawn(process.execPath, [main, 'describe'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let notes = ''
  child.stderr.on('data', text => {
    notes += text
  })
  const [code] = (await once(child, 'close')) as [number]
  assert.deepEqual([code, notes], [0, ''])
})

test('beside a running agent, commands ask it; what needs the data folder for itself says who has it', async () => {
  const agent = await startAgent('--data', 'beside')
  let code: number
  try {
    const listed = await ops('incidents', 'list', '--data', 'beside', '--json')
    assert.deepEqual([listed.code, listed.out], [0, '{"incidents":[],"next":null}\n'], listed.notes)
    assert.equal((await ops('incidents', 'list', '--api', agent.api)).out, 'no incidents\n')
    const nobody = await ops('runbook', 'approve', 'nope', '--by', 'ana', '--data', 'beside')
    assert.deepEqual([nobody.code, nobody.notes], [1, "ops-agent: no run 'nope'\n"])
    const second = await ops('run', '--data', 'beside')
    assert.equal(second.code, 1)
    assert.match(
      second.notes,
      new RegExp(`^ops-agent: data folder '.*beside': held by process ${agent.child.pid}.*${agent.api}`),
    )
    const replayed = await ops('replay', '--logs', '*.log', '--data', 'beside')
    assert.match(replayed.notes, /held by process/)
  } finally {
    code = await agent.stop()
  }
  assert.equal(code, 0, 'SIGTERM is a good end')
  const alone = await ops('incidents', 'list', '--data', 'beside')
  assert.deepEqual([alone.code, alone.out], [0, 'no incidents\n'], alone.notes)
  const gone = await ops('runbook', 'approve', 'nope', '--by', 'ana', '--data', 'beside')
  assert.match(gone.notes, /^ops-agent: no agent runs on data folder '.*beside'; start it with ops-agent run\n$/)
})

test('controls are said, listed and ended by the words of the command line', async () => {
  const agent = await startAgent('--data', 'controls')
  const at = ['--data', 'controls']
  const f = async (words: string[], out: RegExp, code = 0) => {
    const ended = await ops('controls', ...words, ...at)
    assert.match(code === 0 ? ended.out : ended.notes, out, words.join(' '))
    assert.equal(ended.code, code, ended.notes)
  }
  const by = ['--by', 'ana']
  try {
    await f(['list'], /^no controls\n$/)
    await f(
      ['pause', 'production/shop', '--reason', 'freeze', ...by],
      /^control \w{16}: pause production\/shop, from .* until removed\n$/,
    )
    await f(
      ['silence', '--service', 'shop', '--for', '2h', ...by],
      /^control \w+: silence default\/shop, from .* to .*Z\n$/,
    )
    await f(['trust', 'Memory leak', 'approve', ...by], /^control \w+: trust Memory leak on everything: approve, from/)
    await writeFile(join(folder, 'services.yaml'), 'services:\n  shop: { tier: 1 }\n')
    await f(['services', 'services.yaml', ...by], /^control services: services \(1\), from .* until removed\n$/)
    await f(['silence', ...by], /^ops-agent: for: a silence needs an end; give for, such as 2h, or to\n$/, 2)
    await f(
      ['resume', 'production/shp'],
      /^ops-agent: nothing pauses production\/shp; did you mean 'production\/shop'\?\n$/,
      1,
    )
    await f(['resume', 'production/shop'], /^production\/shop: resumed\n$/)
    const { controls } = JSON.parse((await ops('controls', 'list', '--json', ...at)).out) as {
      controls: { id: string; type: string }[]
    }
    assert.deepEqual(
      controls.map(({ type }) => type),
      ['silence', 'trust', 'services'],
    )
    await f(['remove', controls[0]!.id], /^control \w+: removed\n$/)
    await f(
      ['list'],
      /^id +type +of .*\n\w+ +trust +Memory leak on everything: approve .*\nservices +services +\(1\) .*\n$/,
    )
    await f(['list', '--all', '--type', 'pause'], /\n\w+ +pause +production\/shop .* ana +freeze\n$/)
  } finally {
    assert.equal(await agent.stop(), 0)
  }
  await f(['list', '--all'], / pause (.*\n)+.* silence (.*\n)+.* trust /)
  await f(['remove', 'services'], /^ops-agent: no agent runs on data folder/, 1)
})

test('an agent that is not there is named, with how to start it', async () => {
  const port = await closedPort()
  const { code, notes } = await ops('incidents', 'list', '--api', `http://127.0.0.1:${port}`)
  assert.equal(code, 1)
  assert.match(
    notes,
    new RegExp(`^ops-agent: agent http://127.0.0.1:${port}: unreachable \\(ECONNREFUSED\\); start it`),
  )
})
