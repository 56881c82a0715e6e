import { z } from 'zod'

/** What every refused request is answered with. */
export const ErrorBody = z.strictObject({
  error: z.strictObject({
    code: z.string().describe('Stable, for programs.'),
    message: z.string().describe('One sentence for people.'),
  }),
})
export type ErrorBody = z.output<typeof ErrorBody>

const statuses = {
  OPS_REQUEST: 400,
  OPS_UNAUTHORIZED: 401,
  OPS_FORBIDDEN: 403,
  OPS_NOT_FOUND: 404,
  OPS_CONFLICT: 409,
  OPS_UNAVAILABLE: 503,
  OPS_INTERNAL: 500,
} as const
export type HttpErrorCode = keyof typeof statuses

/** A request that is refused, with the reason its sender is told. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly code: HttpErrorCode
  constructor(code: HttpErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
  get status(): number {
    return statuses[this.code]
  }
  get body(): ErrorBody {
    return { error: { code: this.code, message: this.message } }
  }
}

/** Each wrong field of a request by name, with what is wrong. */
export function requestError(error: z.ZodError): HttpError {
  const fields = error.issues.flatMap(issue => {
    const at = issue.path.join('.')
    if (issue.code === 'invalid_type' && issue.expected === 'number') return [`${at}: is not a number`]
    if (issue.code !== 'unrecognized_keys') return [`${at || 'body'}: ${lowerFirst(messageOf(issue))}`]
    return issue.keys.map(key => `${[at, key].filter(Boolean).join('.')}: unknown parameter`)
  })
  return new HttpError('OPS_REQUEST', fields.join('; '))
}

/** Of a value that could be of several kinds, what the kind that looked closest at it says. */
function messageOf(issue: z.core.$ZodIssue): string {
  const inner = issue.code === 'invalid_union' ? issue.errors.flat().find(({ code }) => code === 'custom') : undefined
  return inner?.message ?? issue.message
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)
