// A value with its unit, as people read it.

const seconds: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, seconds: 1 }
const bytes: Record<string, number> = { By: 1, bytes: 1, B: 1, KiBy: 1024, MiBy: 1_048_576, GiBy: 1_073_741_824 }

interface Scale {
  readonly factor: number
  readonly label: string
}

function scaleOf(unit: string, magnitude: number): Scale {
  const second = seconds[unit]
  if (second !== undefined) {
    const size = magnitude * second
    if (size === 0 || size >= 1) return { factor: second, label: ' s' }
    return size >= 1e-3 ? { factor: second * 1e3, label: ' ms' } : { factor: second * 1e6, label: ' µs' }
  }
  const byte = bytes[unit]
  if (byte !== undefined) {
    const names = [' B', ' KiB', ' MiB', ' GiB', ' TiB']
    const power = Math.min(names.length - 1, Math.max(0, Math.floor(Math.log2(magnitude * byte || 1) / 10)))
    return { factor: byte / 1024 ** power, label: names[power]! }
  }
  if (unit === '%' || unit === 'percent') return { factor: 1, label: '%' }
  return { factor: 1, label: unit === '' || unit === '1' || unit.startsWith('{') ? '' : ` ${unit}` }
}

const digits = (value: number) => String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)))

/** `1.9 s`, `240 MiB`, `93%`: three digits, in the unit's customary multiple. Units are UCUM, as OpenTelemetry has them. */
export function quantity(value: number, unit: string): string {
  const { factor, label } = scaleOf(unit, Math.abs(value))
  return digits(value * factor) + label
}

/** `0.1–0.3 s`: a range in the multiple that suits `magnitude`, so that it reads beside a value of that size. */
export function quantityRange(lower: number, upper: number, unit: string, magnitude: number): string {
  const { factor, label } = scaleOf(unit, Math.max(Math.abs(magnitude), Math.abs(upper)))
  return `${digits(lower * factor)}${lower < 0 ? ' to ' : '–'}${digits(upper * factor)}${label}`
}
