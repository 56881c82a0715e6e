// What betrays a secret, looked for before the slower expressions that find where it begins and ends: few lines have any.
const suspicious =
  /pass|pwd|secret|token|key|auth|bearer|basic|credential|cookie|_live|_test|sk[-_]|gh[pousr]_|xox|rnd_|glpat|AIza|eyJ|AKIA|ASIA|:\/\/[^/\s]*@/i
const digits = /\d{4}[ -]?\d{4}[ -]?\d{4}/

const secrets: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, '<secret>'],
  // scheme://user:password@host
  [/(:\/\/[^/\s:@]*:)[^/\s@]+@/g, '$1<secret>@'],
  // Not the prose `basic authentication`: a digit, or more than a word's length.
  [/\b(bearer|basic)\s+(?=\S*\d|\S{20})[\w.~+/-]{8,}=*/gi, '$1 <secret>'],
  // JSON web tokens, then keys that say by their prefix whose they are: AWS, GitHub, Slack, Stripe, OpenAI, Render, Google
  [/\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g, '<secret>'],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, '<secret>'],
  [/\b(?:gh[pousr]|github_pat|xox[abeoprs]|[spr]k_(?:live|test)|sk|rnd|glpat|AIza)[_-]?[\w-]{16,}/g, '<secret>'],
  // name=value, name: value, "name":"value"; DB_PASSWORD is a name too
  [
    /((?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|authorization|cookie)["']?\s*[=:]\s*)(?!<secret>|(?:bearer|basic) <secret>)("[^"]*"|'[^']*'|[^\s,;&)}\]"']+)/gi,
    '$1<secret>',
  ],
]

const cardLike = /(?<![\w.-])[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\w-]|\.\d)/g

/**
 * Replaces what looks like a key, token, password, bearer header, private key or card number by `<secret>` or `<card>`.
 * A first net, by shape alone: it knows nothing of the values a user has declared secret.
 */
export function maskSecrets(text: string): string {
  let masked = text
  if (suspicious.test(text)) for (const [pattern, replacement] of secrets) masked = masked.replace(pattern, replacement)
  if (digits.test(masked)) masked = masked.replace(cardLike, found => (isCard(found) ? '<card>' : found))
  return masked
}

/** Whether the digits are as many as a payment card has (13 to 19) and pass its check digit (ISO/IEC 7812, Luhn). */
function isCard(text: string): boolean {
  const digits = text.replace(/[ -]/g, '')
  if (digits.length < 13 || digits.length > 19) return false
  let sum = 0
  for (let place = 0; place < digits.length; place++) {
    const digit = digits.charCodeAt(digits.length - 1 - place) - 48
    const doubled = place % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
