import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../../pipelines/config.ts'
import { loadConfig } from '../../pipelines/configuration/load.ts'
import { Agent } from './agent.ts'
import { faults } from './faults.ts'
import { RenderApiServer } from './render/api.ts'
import { Fleet } from './render/fleet.ts'
import { freePort } from './render/listen.ts'
import { print, type Scoreboard } from './scoreboard.ts'
import { Screen, type Terminal } from './screen.ts'
import { Story } from './story.ts'

export interface DemoOptions {
  json: boolean
  keep: boolean
  /** Aborted: stop at once, leaving nothing behind. */
  signal: AbortSignal
  out: Terminal
  err: Terminal
}

const file = fileURLToPath(new URL('./ops-agent.yaml', import.meta.url))
const readyDeadline = 60_000
const lookEvery = 400
/** Windows to learn from after the first that are scored: they make the scores steadier. */
const moreWindows = 8
/** Two of these, the start and the learning fit into four minutes. */
const patience = 85_000
/** Four exports fall into a window of two seconds. */
const metricInterval = 500
const logDelay = 100

/** The demo from start to end. Resolves with the exit code; whatever was started is gone by then. */
export async function runDemo({ json, keep, signal, out, err }: DemoOptions): Promise<number> {
  const screen = new Screen(json ? err : out, Date.now)
  const data = await mkdtemp(join(tmpdir(), 'ops-agent-demo-'))
  let parts: Parts | undefined
  let keepData = false
  try {
    parts = await prepare(data, screen)
    const board = await play(parts, screen, signal)
    screen.clear()
    screen.write(['', ...print(board), ''])
    if (json) out.write(`${JSON.stringify(board)}\n`)
    await lookAround(parts, board, screen, keep, signal)
    keepData = !board.healed
    return board.healed ? 0 : 1
  } catch (error) {
    screen.clear()
    if (signal.aborted) {
      screen.say('interrupted; everything is being stopped')
      return 130
    }
    screen.say(screen.style('red', `the demo failed: ${(error as Error).message}`))
    keepData = true
    return 1
  } finally {
    await Promise.allSettled([parts?.agent.stop(), parts?.api.close(), parts?.fleet.stop()])
    if (keepData) screen.say(`the agent's data and log are kept in ${data}`)
    else await rm(data, { recursive: true, force: true })
  }
}

interface Parts {
  config: Config
  agent: Agent
  fleet: Fleet
  api: RenderApiServer
}

async function prepare(data: string, screen: Screen): Promise<Parts> {
  const written = loadConfig({ file, env: {}, cwd: process.cwd() })
  const [http, otlp] = [await freePort(written.http.port), await freePort(written.otlp.port)]
  const render = await freePort(Number(new URL(written.render.baseUrl).port))
  const set = [`http.port=${http}`, `otlp.port=${otlp}`, `render.baseUrl=http://127.0.0.1:${render}/v1`]
  const config = loadConfig({ file, env: {}, cwd: process.cwd(), set })
  const fleet = new Fleet({
    endpoint: `http://127.0.0.1:${otlp}`,
    metricInterval,
    logDelay,
    temporality: 'cumulative',
    onTrouble: text => screen.say(screen.style('yellow', text)),
  })
  const api = new RenderApiServer({ fleet, apiKey: config.render.apiKey?.reveal() ?? '' })
  await api.listen(render)
  return { config, fleet, api, agent: new Agent({ config: file, data, set, port: http }) }
}

async function play({ config, agent, fleet }: Parts, screen: Screen, signal: AbortSignal): Promise<Scoreboard> {
  const started = Date.now()
  const { timeScale, detection } = config
  screen.say(
    `timeScale ${timeScale}: every duration of the agent is divided by ${timeScale}, so that a minute lasts ${60 / timeScale} s`,
  )
  await Promise.all([agent.ready(readyDeadline, signal), fleet.start()])
  screen.say(`the shop runs (${fleet.pids().length} processes), and so does the agent (${agent.url})`)
  const story = new Story({ agent, fleet, screen, signal, lookEvery, patience })
  await story.learn((detection.score.warmup + moreWindows) * detection.window)
  for (const fault of faults) await story.tell(fault)
  agent.measure()
  const scores = story.scores()
  return {
    healed: scores.every(score => score.healed),
    timeScale,
    faults: scores,
    falseAlarms: await story.falseAlarms(),
    agentPeakRssBytes: agent.peakRss,
    totalSeconds: Math.round((Date.now() - started) / 100) / 10,
  }
}

/** The last sentence; with `keep`, waits for Ctrl-C. */
async function lookAround({ agent }: Parts, board: Scoreboard, screen: Screen, keep: boolean, signal: AbortSignal) {
  const incident = board.faults.findLast(score => score.incident !== null)?.incident
  const command = `curl ${agent.url}/v1/incidents${incident ? `/${incident}` : ''}`
  if (!keep) {
    screen.write([`Next: npm run demo -- --keep leaves everything running; then ${command}`])
    return
  }
  screen.write([`Next: ${command}`, 'Everything keeps running until Ctrl-C.'])
  if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
}
