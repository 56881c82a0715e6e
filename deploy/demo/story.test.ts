import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, test } from 'node:test'
import type { Incident } from '../../operators/signal.ts'
import { faults } from './faults.ts'
import { causeOf, incidentOf, runOf, signalOf } from './incident.fixture.ts'
import { print } from './scoreboard.ts'
import { Screen, type Terminal } from './screen.ts'
import { Story, type StoryParts } from './story.ts'

class Output extends Writable implements Terminal {
  text = ''
  readonly isTTY: boolean
  readonly columns = 100

  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

const [leak] = faults
assert.ok(leak)

/** Tells a story over an agent that heals whatever is broken, one version of the incident at each look. */
async function tell(out: Output, versions: (now: number) => Incident[], patience = 5_000): Promise<Story> {
  let life: Incident[] = []
  let looks = 0
  const parts: StoryParts = {
    fleet: {
      async inject() {
        life = versions(Date.now())
      },
      status: async () => [
        { service: 'catalog', instance: 'i', pid: 1, rss: 1e8, requestRate: 16, errorRate: 0, p95: 0.006 },
      ],
    },
    agent: {
      pid: process.pid,
      exited: false,
      measure: () => undefined,
      lastWords: () => '',
      stepOf: async () => 'Restart the service',
      incidents: async () => life.slice(Math.min(looks++, life.length - 1)).slice(0, 1),
    },
    screen: new Screen(out, Date.now),
    signal: new AbortController().signal,
    lookEvery: 1,
    patience,
  }
  const story = new Story(parts)
  await story.learn(5)
  await story.tell(leak!)
  return story
}

const heals = (now: number): Incident[] => {
  const signals = [signalOf('catalog', now)]
  const causes = [causeOf('catalog')]
  const runs = (state: string) => [runOf('Memory leak', 'demo/catalog', state, now)]
  return [
    incidentOf({ signals }),
    incidentOf({ signals, causes, runs: runs('running'), state: 'remediating' }),
    incidentOf({ signals, causes, runs: runs('succeeded'), state: 'resolved' }),
  ]
}

/** What a terminal shows after a text that moves up and erases below. */
function displayed(text: string): string[] {
  const lines = ['']
  const [first = '', ...rest] = text.split(String.fromCharCode(27))
  const write = (part: string): void => {
    const [head = '', ...more] = part.split('\n')
    lines[lines.length - 1] += head
    lines.push(...more)
  }
  write(first)
  for (const sequence of rest) {
    const [whole, count = '1', command] = /^\[(\d+)([AJm])/.exec(sequence) ?? []
    if (command === 'A') lines.splice(lines.length - 1 - Number(count), Number(count))
    write(sequence.slice(whole?.length ?? 0))
  }
  return lines
}

describe('the story of a fault', () => {
  test('without a terminal: plain lines with the time, each thing once', async () => {
    const out = new Output(false)
    const story = await tell(out, heals)
    const lines = out.text.trimEnd().split('\n')
    assert.ok(lines.every(line => /^ *\d+:\d\d {2}\S/.test(line)))
    assert.ok(!out.text.includes(String.fromCharCode(27)))
    const said = lines.map(line => line.replace(/^ *\d+:\d\d {2}| \+[\d.]+ s$/g, ''))
    assert.deepEqual(said.slice(1), [
      'fault 1, memory-leak: catalog keeps every response it has ever made',
      'detected: inc-1 catalog: memory',
      'cause: catalog process.memory.usage (80 %)',
      "runbook 'Memory leak' on demo/catalog: running",
      "runbook 'Memory leak' on demo/catalog: succeeded",
      'resolved: 1 signal clear',
    ])
    assert.ok(story.scores().every(score => score.healed))
  })

  test('on a terminal the panel is redrawn in place: lines that stay, and one panel below them', async () => {
    const out = new Output(true)
    await tell(out, heals)
    const shown = displayed(out.text)
    const panels = shown.filter(line => line.includes('service') && line.includes('health'))
    assert.equal(panels.length, 1)
    assert.ok(out.text.split(panels[0] ?? '').length > 3, 'the panel was drawn more than once')
    assert.equal(shown.filter(line => line.includes('detected: inc-1')).length, 1)
    assert.ok(shown.some(line => line.includes('Memory leak on demo/catalog: succeeded')))
  })

  test('a fault that nobody heals ends with what is missing', async () => {
    const out = new Output(false)
    const story = await tell(out, now => [incidentOf({ signals: [signalOf('catalog', now)] })], 50)
    const [score] = story.scores()
    assert.equal(score?.healed, false)
    assert.match(out.text, /not healed: no cause was named; no runbook was asked for/)
    const board = { healed: false, timeScale: 30, faults: story.scores(), falseAlarms: 0, agentPeakRssBytes: 6e8 }
    const printed = print({ ...board, totalSeconds: 100 }).join('\n')
    assert.match(printed, /^memory-leak in catalog +\d+\.\d s +none +no +none +never$/m)
    assert.match(
      printed,
      /0 of 1 faults healed, 0 false alarms, agent's peak memory 600 MB, 100 s in all, timeScale 30/,
    )
    assert.match(printed, /^missing: memory-leak: no cause was named$/m)
  })
})
