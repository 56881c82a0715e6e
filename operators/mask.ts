// What betrays a secret, looked for before the slower expressions that find where it begins and ends: few lines have any.
const suspicious =
  /pass|pwd|secret|token|key|authori|bearer|basic|credential|cookie|_live|_test|sk[-_]|gh[pousr]_|xox|rnd_|glpat|AIza|eyJ|AKIA|ASIA|:\/\/[^/\s]*@/i
const digits = /\d{4}[ -]?\d{4}[ -]?\d{4}/

// Every alternative above has one of these in it, whatever the case. To look for them costs a fifth of the expression.
const heads =
  'pas pwd sec tok key tho bea bas cre coo _li _te sk- sk_ ghp gho ghu ghs ghr xox rnd glp aiz eyj aki asi ://'.split(
    ' ',
  )
const classes = Uint8Array.from({ length: 128 }, (_, code) => {
  const letter = '_-:/'.indexOf(String.fromCharCode(code))
  if (letter >= 0) return 27 + letter
  const lower = code | 32
  return lower > 96 && lower < 123 && code > 64 ? lower - 96 : 0
})
const headAt = (head: string): number => [...head].reduce((index, one) => (index << 5) | classes[one.charCodeAt(0)]!, 0)
const isHead = new Uint8Array(32_768)
for (const head of heads) isHead[headAt(head)] = 1

/** What may be in the text, found in one walk over its characters that errs towards yes: 1 a named secret, 2 a card. */
function suspicionOf(text: string): number {
  let last = 0
  let digits = 0
  let found = 0
  let before = 32
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 47 && code < 58) {
      // A card number does not begin within a word, nor after a dot or hyphen.
      if (digits === 0 && (before === 45 || before === 46 || isWordCode(before))) digits = -1
      else if (digits >= 0 && ++digits === 12) found |= 2
      last = 0
    } else {
      if ((code !== 32 && code !== 45) || digits < 0) digits = 0
      last = ((last << 5) & 32_767) | (code < 128 ? classes[code]! : 0)
      if (isHead[last] === 1) found |= 1
    }
    before = code
  }
  return found
}

const isWordCode = (code: number): boolean =>
  (code > 96 && code < 123) || (code > 64 && code < 91) || (code > 47 && code < 58) || code === 95

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
  const suspicion = suspicionOf(text)
  if (suspicion === 0) return text
  let masked = text
  if ((suspicion & 1) === 1 && suspicious.test(text))
    for (const [pattern, replacement] of secrets) masked = masked.replace(pattern, replacement)
  if ((suspicion & 2) === 2 && digits.test(masked))
    masked = masked.replace(cardLike, found => (isCard(found) ? '<card>' : found))
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
