import fc from 'fast-check'

// Properties are tried with the same cases in every run, so that a failure is never a matter of luck. Another seed:
// OPS_SEED=7 npm test, or OPS_SEED=random.

const { OPS_SEED: seed = '20261122' } = process.env
if (seed !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) })
