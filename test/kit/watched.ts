import assert from 'node:assert/strict'
import type { Readiness } from '../../sinks/api.ts'
import type { AgentProcess } from './agent.ts'

/** What an agent says of its doors, and how lines are sent to it. */
export class Watched {
  readonly #agent: AgentProcess

  constructor(agent: AgentProcess) {
    this.#agent = agent
  }

  /** Fails where the answer takes long, whatever hangs. */
  async ready(): Promise<{ status: number; parts: Readonly<Record<string, Readiness>> }> {
    const answer = await fetch(`${this.#agent.api}/ready`, { signal: AbortSignal.timeout(2_500) })
    const { parts } = (await answer.json()) as { parts: Record<string, Readiness> }
    return { status: answer.status, parts }
  }

  async isWell(): Promise<void> {
    const { status, parts } = await this.ready()
    assert.equal(status, 200, JSON.stringify(parts))
  }

  /** Fails unless the door is shut for such a reason. */
  async isShut(door: string, why: RegExp): Promise<Readiness> {
    const { status, parts } = await this.ready()
    const part = parts[door]!
    assert.deepEqual({ status, ok: part.ok }, { status: part.needed === false ? 200 : 503, ok: false }, door)
    assert.match(part.why!, why)
    assert.ok(part.since! > Date.now() - 120_000 && part.since! <= Date.now(), String(part.since))
    return part
  }

  /** Value of a metric with these labels in this order; undefined: it is not there. */
  async metric(named: string): Promise<number | undefined> {
    const text = await (await fetch(`${this.#agent.api}/metrics`)).text()
    const line = text.split('\n').find(line => line.startsWith(`${named} `))
    return line === undefined ? undefined : Number(line.slice(named.length + 1))
  }

  /** Sends one line of a service; the status it is answered with. */
  async send(body: string, time = Date.now()): Promise<number> {
    const logRecords = [{ timeUnixNano: `${time}000000`, severityNumber: 9, body: { stringValue: body } }]
    const answer = await fetch(`${this.#agent.otlp}/v1/logs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
    })
    await answer.body?.cancel()
    return answer.status
  }

  /** What it has said of a door, without the rest of the line. */
  said(door: string): string[] {
    return this.#agent.log
      .map(line => JSON.parse(line) as { level: string; msg: string; door?: string })
      .filter(line => line.door === door)
      .map(({ level, msg }) => `${level} ${msg}`)
  }
}
