export const isDigit = (code: number): boolean => code > 47 && code < 58
export const isLower = (code: number): boolean => code > 96 && code < 123
export const isLetter = (code: number): boolean => (code > 96 && code < 123) || (code > 64 && code < 91)
export const isHex = (code: number): boolean => isDigit(code) || (code > 96 && code < 103) || (code > 64 && code < 71)
export const isSign = (code: number): boolean => code === 45 || code === 43
// . - + @ # $ % & / and all that is not ASCII
export const isSplit = (code: number): boolean =>
  (code > 44 && code < 48) || code === 43 || code === 64 || (code > 34 && code < 39) || code > 127
