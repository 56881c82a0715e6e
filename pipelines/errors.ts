/** Every code an error of ours bears, and what it means. README's table is this, and a test keeps both true. */
export const errors = {
  OPS_CONFIG: 'The configuration is wrong. The message has a line for each thing that is, with file, line and fix.',
  OPS_USAGE: 'The command line was not understood. The process ends with 2.',
  OPS_COMMAND: 'A command could not do what it was asked.',
  OPS_SINK: 'A log, store or cache did not take a batch. `reason` says why and `retryable` whether waiting can help.',
  OPS_DATA_HELD: 'Another process holds the data folder. The message names it and its API.',
  OPS_RUNBOOK: 'A runbook file is wrong. The message has a line for each problem, with file, line and fix.',
  OPS_REQUEST: 'HTTP 400: the request is wrong. The message names each field.',
  OPS_UNAUTHORIZED: 'HTTP 401: the bearer token is missing or wrong (`http.token`).',
  OPS_FORBIDDEN: 'HTTP 403: the request names a host that is not this machine.',
  OPS_NOT_FOUND: 'HTTP 404: there is no such thing.',
  OPS_CONFLICT: 'HTTP 409: the run does not wait for a decision.',
  OPS_UNAVAILABLE: 'HTTP 503: the store cannot be reached, or no agent runs here.',
  OPS_INTERNAL: 'HTTP 500: a fault of ours; the log of the agent says more.',
} as const

/** README's table of error codes. */
export function errorTable(): string {
  return ['| code | |', '|---|---|', ...Object.entries(errors).map(([code, text]) => `| \`${code}\` | ${text} |`)].join(
    '\n',
  )
}
