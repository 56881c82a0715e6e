import type { Config } from '../config.ts'
import { loadConfig } from '../configuration/load.ts'
import { masker, secretsIn } from '../configuration/secret.ts'
import { openLogger } from '../logger.ts'
import type { Logger } from '../sources/logger.ts'
import type { Call, Context } from './command.ts'

/** The configuration that a command was called with. @throws {ConfigError} */
export function configOf(call: Call, context: Context): Config {
  return loadConfig({
    file: call.text('config'),
    data: call.text('data'),
    set: call.texts('set'),
    env: context.env,
    cwd: context.cwd,
  })
}

/** The log of a command: lines for people on a terminal, JSON elsewhere; the configuration's secrets masked. */
export function loggerOf(config: Config, context: Context, level = config.logging.level): Logger {
  return openLogger({
    level,
    pretty: context.terminal.notes,
    mask: masker(secretsIn(config)),
    write: text => context.note(text),
  })
}
