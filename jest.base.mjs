// One jest configuration for every project: ESM, TypeScript through swc, workspace libraries from source.
// What is named *.slow.spec.ts runs with OUTBOARD_SPECS=slow, as the target test-slow does, and everything else without.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const resultsReporter = fileURLToPath(new URL('./tools/jest-results.mjs', import.meta.url));

const isSlow = process.env.OUTBOARD_SPECS === 'slow';

/** A slow spec in a project without that target would be run by nobody. */
function checkSlowSpecs(projectDirectory) {
  const slow = readdirSync(projectDirectory, { recursive: true }).find(
    (file) => file.endsWith('.slow.spec.ts') && !file.includes('node_modules'),
  );
  const definitions = ['project.json', 'package.json'].map((name) => join(projectDirectory, name));
  const hasTarget = definitions.some(
    (file) => existsSync(file) && readFileSync(file, 'utf8').includes('"test-slow"'),
  );
  if (slow !== undefined && !hasTarget)
    throw new Error(`${join(projectDirectory, slow)} is slow, and its project has no target test-slow`);
}

export default function jestConfig(projectDirectory) {
  checkSlowSpecs(projectDirectory);
  return {
    rootDir: projectDirectory,
    roots: ['<rootDir>'],
    testMatch: [isSlow ? '**/*.slow.spec.ts' : '**/!(*.slow).spec.ts'],
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
