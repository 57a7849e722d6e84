import jestConfig from '../../jest.base.mjs';

// Plain JavaScript, as the examples are.
export default { ...jestConfig(import.meta.dirname), testMatch: ['**/*.spec.mjs'] };
