/** A generator of numbers in [0, 1), the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/**
 * The line with other values in its variables: what stands for a `<*>` of the template gets other digits, hexadecimal
 * letters and letters of the same kind, so that no line comes twice and all keep their shape. A line that does not fit
 * its template gets other digits alone.
 */
export function redrawer(template: string): (line: string, random: () => number) => string {
  const parts = template.split('<*>').map(part => part.trim().split(/\s+/).map(escaped).join('\\s+'))
  const pattern = new RegExp(`^\\s*${parts.map(part => `(${part})`).join('(.*?)')}\\s*$`, 'ds')
  return (line, random) => {
    const found = pattern.exec(line)
    if (found === null) return line.replace(/\d/g, () => digit(random))
    // Joined, so that the line is one flat text as it comes from a source, not a tree of its parts.
    const texts: string[] = []
    let copied = 0
    for (let group = 2; group < found.length; group += 2) {
      const [start, end] = found.indices![group]!
      texts.push(line.slice(copied, start), redraw(line.slice(start, end), random))
      copied = end
    }
    return [...texts, line.slice(copied)].join('')
  }
}

function redraw(value: string, random: () => number): string {
  const letters = /\d/.test(value) ? (/[g-zG-Z]/.test(value) ? '' : 'abcdef') : 'abcdefghijklmnopqrstuvwxyz'
  return value.replace(/\d|[a-z]/g, one => {
    if (one >= '0' && one <= '9') return digit(random)
    return letters === '' ? one : letters[Math.floor(random() * letters.length)]!
  })
}

const digit = (random: () => number): string => String(Math.floor(random() * 10))
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
