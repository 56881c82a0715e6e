import { stripTypeScriptTypes } from 'node:module'

/** Where a module names another of ours: `from './x.ts'`, `import './x.ts'`, `import('./x.ts')`, `new URL('./x.ts'`. */
const reference = /(\bfrom\s+|\bimport\s*\(?\s*|\bnew URL\(\s*)(['"])(\.{1,2}\/[^'"]+)\.ts\2/g

/**
 * A TypeScript module of ours as the JavaScript that is shipped, since Node strips no types under node_modules: types
 * become spaces, so that lines and columns of a stack trace still fit, and references to our modules end in `.js`.
 * @throws {Error} if the source has syntax that cannot be erased
 */
export function compile(source: string): string {
  return stripTypeScriptTypes(source, { mode: 'strip' }).replaceAll(reference, '$1$2$3.js$2')
}
