/**
 * The logic of a step threw. It may have left its state half changed, so whoever runs the step goes back to a state that
 * was saved; if it fails there again, `id` names what to set aside.
 */
export class StepFailure extends Error {
  readonly id: string
  readonly step: string
  readonly key: string

  constructor(step: string, key: string, at: string, cause: unknown) {
    super(`step '${step}' failed on ${at} of key '${key}': ${cause instanceof Error ? cause.message : String(cause)}`)
    this.name = 'StepFailure'
    this.id = failureId(step, key, at)
    this.step = step
    this.key = key
    this.cause = cause
  }
}

/** Names what a step fails on: a key and what of it. */
export const failureId = (step: string, key: string, at: string): string => JSON.stringify([step, key, at])

/** What is set aside, by the id of its failure, with what it failed of. */
export type SetAside = ReadonlyMap<string, Error>
