import { type Command, configured, json } from './command.ts'
import { configOf } from './configured.ts'

export const migrate: Command = {
  name: 'migrate',
  summary: 'Brings the tables of the store up to this version. `run` and `replay` do so by themselves.',
  flags: [...configured, json],
  examples: ['ops-agent migrate --set store.in=clickhouse --set store.url=http://clickhouse:8123'],
  async run(call, context) {
    const { withStore } = await import('../doors.ts')
    const { migrate: apply } = await import('../../sinks/migrate.ts')
    const applied = await withStore(configOf(call, context), store => apply(store))
    const lines = applied.map(name => `${name}: applied\n`).join('') || 'all tables are up to date\n'
    context.out(call.is('json') ? `${JSON.stringify({ applied })}\n` : lines)
  },
}
