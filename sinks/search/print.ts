import { attributePrefix, type Bound, type Moment, type Search, type Text } from './search.ts'

/** Writes a query so that reading it gives the same again. */
export function printSearch(search: Search): string {
  switch (search.is) {
    case 'all':
      return '*'
    case 'and':
    case 'or':
      return search.parts.map(part => grouped(part)).join(` ${search.is.toUpperCase()} `)
    case 'not':
      return `NOT ${grouped(search.part)}`
    case 'level':
      return `level:[${search.least} TO ${search.most}]`
    case 'time':
      return `timestamp:[${momentOf(search.from)} TO ${momentOf(search.to)}]`
    case 'number':
      return `${nameOf(search.name)}:${rangeOf(search.above, search.below)}`
    case 'attribute':
      return `${nameOf(search.name)}:${textOf(search.value)}`
    case 'text':
      return textOf(search.value)
    default:
      return `${search.is}:${textOf(search.value)}`
  }
}

const grouped = (part: Search): string =>
  part.is === 'and' || part.is === 'or' ? `(${printSearch(part)})` : printSearch(part)

const momentOf = (moment: Moment | undefined): string => {
  if (moment === undefined) return '*'
  if ('at' in moment) return new Date(moment.at).toISOString()
  return moment.ago === 0 ? 'now' : `now-${moment.ago}ms`
}

const rangeOf = (above: Bound | undefined, below: Bound | undefined): string => {
  const [low, high] = [above ? above.value : '*', below ? below.value : '*']
  return `${above?.included === false ? '{' : '['}${low} TO ${high}${below?.included === false ? '}' : ']'}`
}

/** With the prefix no name is taken for a field's. */
const nameOf = (name: string): string => `${attributePrefix}${name}`

const textOf = (text: Text): string =>
  text.length === 1
    ? `"${text[0].replaceAll(/["\\]/g, '\\$&')}"`
    : text.map(piece => piece.replaceAll(/[\s()"\\*:/[{<>-]/g, '\\$&')).join('*')
