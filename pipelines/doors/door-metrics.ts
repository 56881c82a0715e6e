import { Counter, Gauge, type Registry } from 'prom-client'
import type { Readiness } from '../../sinks/api.ts'
import type { Guard } from './guard.ts'

const breakers = { closed: 0, 'half-open': 1, open: 2 } as const

/** Tells how the doors are, for Prometheus, whenever it asks. */
export function observeDoors(
  registry: Registry,
  guards: readonly Guard[],
  look: () => Promise<Readonly<Record<string, Readiness>>>,
): void {
  const registers = [registry]
  new Gauge({
    name: 'opsagent_door_up',
    help: '1: the door can be used, 0: it is shut.',
    labelNames: ['door'],
    registers,
    async collect() {
      for (const [door, { ok }] of Object.entries(await look())) this.set({ door }, ok ? 1 : 0)
    },
  })
  new Gauge({
    name: 'opsagent_breaker_state',
    help: 'Circuit breaker of what is called: 0 closed, 1 half-open, 2 open.',
    labelNames: ['door'],
    registers,
    collect() {
      for (const { name, state } of guards) this.set({ door: name }, breakers[state.breaker])
    },
  })
  new Counter({
    name: 'opsagent_door_calls_total',
    help: 'Calls by what became of them; shut and full: not made.',
    labelNames: ['door', 'outcome'],
    registers,
    collect() {
      this.reset()
      for (const { name, calls } of guards) for (const [outcome, n] of calls) this.inc({ door: name, outcome }, n)
    },
  })
  new Counter({
    name: 'opsagent_door_retries_total',
    help: 'Calls that were made again.',
    labelNames: ['door'],
    registers,
    collect() {
      this.reset()
      for (const { name, retries } of guards) this.inc({ door: name }, retries)
    },
  })
}
