import { version as current } from '../version.ts'
import { type Command, json } from './command.ts'

export const version: Command = {
  name: 'version',
  summary: 'Prints the version of ops-agent, and of what it runs on.',
  flags: [json],
  examples: ['ops-agent version --json'],
  async run(call, context) {
    const versions = { 'ops-agent': current(), node: process.versions.node }
    const text = Object.entries(versions).map(([name, number]) => `${name} ${number}`)
    context.out(`${call.is('json') ? JSON.stringify(versions) : text.join('\n')}\n`)
  },
}
