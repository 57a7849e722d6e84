// One jest configuration for every project: ESM, TypeScript through swc, workspace libraries from source.
export default function jestConfig(projectDirectory) {
  return {
    rootDir: projectDirectory,
    roots: ['<rootDir>'],
    testMatch: ['**/*.spec.ts'],
    testEnvironment: 'node',
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
