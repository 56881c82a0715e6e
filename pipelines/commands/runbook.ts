import { stringify } from 'yaml'
import { duration } from '../../operators/window.ts'
import { loadRunbooks } from '../../runbooks/load.ts'
import type { Runbook } from '../../runbooks/runbook.ts'
import type { Config } from '../config.ts'
import { suggestion } from '../configuration/closest.ts'
import { agentOf } from './api.ts'
import { type Command, CommandError, configured, json } from './command.ts'
import { configOf } from './configured.ts'
import { columns } from './help.ts'

/** The runbooks of a configuration, as its process runs them. */
async function runbooksOf(config: Config): Promise<readonly Runbook[]> {
  const { loadFiles } = await import('../agent.ts')
  return (await loadFiles(config)).runbooks
}

const list: Command = {
  name: 'runbook list',
  summary: 'Lists the runbooks with what they may do and when they are asked for.',
  flags: [...configured, json],
  examples: ['ops-agent runbook list', 'ops-agent runbook list --json'],
  async run(call, context) {
    const runbooks = await runbooksOf(configOf(call, context))
    if (call.is('json')) return context.out(`${JSON.stringify(runbooks)}\n`)
    const rows = runbooks.map(({ name, mode, triggers, steps }) => [
      name,
      mode,
      triggers.map(written).join('; ') || 'never by itself',
      steps.map(({ tool }) => tool).join(', '),
    ])
    context.out(`${columns(['name', 'mode', 'asked for when', 'steps'], rows)}\n`)
  },
}

const show: Command = {
  name: 'runbook show',
  summary: 'Prints one runbook as it would run, with all its defaults.',
  arguments: [{ name: 'NAME', summary: 'Name of the runbook.' }],
  flags: [...configured, json],
  examples: ["ops-agent runbook show 'High CPU Usage Response'"],
  async run(call, context) {
    const runbooks = await runbooksOf(configOf(call, context))
    const name = call.arguments[0]!
    const found = runbooks.find(runbook => runbook.name === name)
    if (!found)
      throw new CommandError(
        `no runbook '${name}'${suggestion(
          name,
          runbooks.map(runbook => runbook.name),
        )}`,
      )
    context.out(call.is('json') ? `${JSON.stringify(found)}\n` : stringify(found))
  },
}

const check: Command = {
  name: 'runbook check',
  summary: 'Checks runbook files without running anything.',
  arguments: [
    {
      name: 'PATH',
      summary: 'Files, folders or patterns; none: those of the configuration.',
      optional: true,
      many: true,
    },
  ],
  flags: [...configured, json],
  examples: ['ops-agent runbook check', 'ops-agent runbook check runbooks/high-cpu-usage.yaml'],
  async run(call, context) {
    const runbooks =
      call.arguments.length > 0 ? await loadRunbooks(call.arguments) : await runbooksOf(configOf(call, context))
    const names = runbooks.map(({ name }) => name)
    if (names.length === 0) throw new CommandError('no runbook found; correct the path')
    context.out(
      call.is('json') ? `${JSON.stringify({ valid: names })}\n` : names.map(name => `${name}: valid\n`).join(''),
    )
  },
}

const decide = (decision: 'approve' | 'reject', summary: string): Command => ({
  name: `runbook ${decision}`,
  summary,
  arguments: [{ name: 'RUN', summary: 'Id of the run, as `incidents show` prints it.' }],
  flags: [
    { name: 'by', value: 'NAME', summary: 'Who decides (default: the user of this machine).' },
    { name: 'reason', value: 'TEXT', summary: 'Why; it is kept with the run.' },
    { name: 'api', value: 'URL', summary: 'The agent to ask (default: the one of this configuration).' },
    ...configured,
    json,
  ],
  examples: [`ops-agent runbook ${decision} 3f9a1c0d5e7b2a44 --by ana`],
  async run(call, context) {
    const run = call.arguments[0]!
    const by = call.text('by') ?? context.env.USER ?? context.env.LOGNAME
    if (!by) throw new CommandError('who decides is not known; give --by NAME')
    const agent = await agentOf(configOf(call, context), call.text('api'))
    const reason = call.text('reason') ?? ''
    const answer = await agent.post(`/v1/runs/${encodeURIComponent(run)}/${decision}`, { by, reason })
    context.out(
      call.is('json')
        ? `${JSON.stringify(answer)}\n`
        : `run ${run}: ${decision === 'approve' ? 'approved' : 'rejected'} by ${by}\n`,
    )
  },
})

export const runbook: readonly Command[] = [
  list,
  show,
  check,
  decide('approve', 'Approves a run that waits for it; the agent then carries it out.'),
  decide('reject', 'Rejects a run that waits for an approval; nothing is done.'),
]

function written(trigger: Runbook['triggers'][number]): string {
  if ('metric' in trigger) {
    const { metric, comparison, threshold, service, environment } = trigger
    const where = [service && `of ${service}`, environment && `in ${environment}`].filter(Boolean).join(' ')
    const lasting = trigger.duration > 0 ? `for ${duration(trigger.duration)}` : ''
    return [metric, where, comparison, threshold, lasting].filter(part => part !== '').join(' ')
  }
  const { metric, service } = trigger.cause
  return `the cause is ${[metric, service && `of ${service}`].filter(Boolean).join(' ') || 'any'}`
}
