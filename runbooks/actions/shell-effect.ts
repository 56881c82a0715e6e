import type { Kind } from './action.ts'

/** Programs that only look, whatever arguments they are given. `sort -o`, `date -s`, `find -delete` are why others are not here. */
const lookers = new Set(
  'cat cut df du echo free grep head id iostat ls lsof mpstat netstat nproc pgrep pidstat printf ps pstree stat tail top tr uname uptime vmstat wc whoami'.split(
    ' ',
  ),
)

/**
 * Whether a command line is known to change nothing: a pipe of programs that only look, without redirection,
 * substitution, background or sequence. Everything else counts as a write, and so needs an approval, unless its author
 * says `effect: read`. It fails closed: what it does not understand is a write.
 */
export function shellEffect(command: string): Kind {
  if (/[;&<>`\n\\(){}]|\$\(|\|\|/.test(command)) return 'write'
  const programs = command.split('|').map(part => part.trim().split(/\s+/)[0] ?? '')
  return programs.every(program => lookers.has(program)) ? 'read' : 'write'
}
