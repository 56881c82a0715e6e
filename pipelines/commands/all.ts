import type { Command } from './command.ts'
import { controls } from './controls.ts'
import { dead } from './dead.ts'
import { describe } from './describe.ts'
import { evaluate } from './evaluate.ts'
import { generate } from './generate.ts'
import { incidents } from './incidents.ts'
import { logs } from './logs.ts'
import { migrate } from './migrate.ts'
import { replay } from './replay.ts'
import { run } from './run.ts'
import { runbook } from './runbook.ts'
import { topics } from './topics.ts'
import { version } from './version.ts'

/** The commands, in the order their help lists them. */
export const commands: readonly Command[] = [
  run,
  replay,
  ...incidents,
  ...logs,
  ...runbook,
  ...dead,
  ...controls,
  describe,
  ...evaluate,
  ...topics,
  migrate,
  generate,
  version,
]
