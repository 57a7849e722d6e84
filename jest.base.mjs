// One jest configuration for every project: ESM, TypeScript through swc, workspace libraries from source.
import { fileURLToPath } from 'node:url';

const resultsReporter = fileURLToPath(new URL('./tools/jest-results.mjs', import.meta.url));

export default function jestConfig(projectDirectory) {
  return {
    rootDir: projectDirectory,
    roots: ['<rootDir>'],
    testMatch: ['**/*.spec.ts'],
    testEnvironment: 'node',
    // A bound for what hangs, not a measurement: machines that build at the same time are slow.
    testTimeout: 30_000,
    reporters: ['default', resultsReporter],
    extensionsToTreatAsEsm: ['.ts'],
    modulePathIgnorePatterns: ['/dist/'],
    moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
    testEnvironmentOptions: { customExportConditions: ['@outboard/source', 'node', 'node-addons'] },
    transform: {
      '\\.ts$': [
        '@swc/jest',
        {
          swcrc: false,
          sourceMaps: 'inline',
          module: { type: 'es6' },
          jsc: {
            target: 'es2023',
            keepClassNames: true,
            parser: { syntax: 'typescript', decorators: true },
            transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: true },
          },
        },
      ],
    },
    transformIgnorePatterns: ['/node_modules/(?!@outboard/)'],
  };
}
