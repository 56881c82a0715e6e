const { OPS_SEED: given = '20261122' } = process.env

/** What all chance in these tests comes from. Another: OPS_SEED=7 npm run test:chaos, or OPS_SEED=random. */
export const seed = given === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(given)
