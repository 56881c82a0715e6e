import { suggestion } from '../configuration/closest.ts'
import { describe as describeGraph } from '../pipeline.ts'
import { type Command, configured, json, UsageError } from './command.ts'
import { configOf } from './configured.ts'

export const describe: Command = {
  name: 'describe',
  summary: 'Prints the pipelines: what each reads, its steps, and where results go.',
  arguments: [{ name: 'PIPELINE', summary: 'Only this one.', optional: true }],
  flags: [...configured, json],
  examples: ['ops-agent describe', 'ops-agent describe logs'],
  async run(call, context) {
    const { graphsOf } = await import('../agent.ts')
    const graphs = await graphsOf(configOf(call, context))
    const [name] = call.arguments
    const shown = name === undefined ? graphs : graphs.filter(graph => graph.name === name)
    if (shown.length === 0)
      throw new UsageError(
        `no pipeline '${name}'${suggestion(
          name!,
          graphs.map(graph => graph.name),
        )}`,
      )
    if (call.is('json')) {
      const summary = shown.map(({ name, topic, nodes }) => ({
        name,
        topic,
        steps: nodes.map(({ kind, id }) => ({ kind, id })),
      }))
      context.out(`${JSON.stringify(summary)}\n`)
    } else context.out(`${shown.map(describeGraph).join('\n\n')}\n`)
  },
}
