import jestConfig from '../../jest.base.mjs';

// Waiting has deadlines of its own, of 10 s, which say what was missing: they are to end first.
export default { ...jestConfig(import.meta.dirname), testTimeout: 30_000 };
