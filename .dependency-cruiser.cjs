// The layers of docs/architecture.md, as rules. A package may import only what stands to its left:
// core <- contracts <- model <- {planner, reconcile} <- ports <- adapters <- shells.
const only = (name, packageName, allowed) => ({
  name,
  severity: 'error',
  comment: `${packageName} may be imported only by ${allowed}`,
  from: { pathNot: `(${allowed})|\\.spec\\.ts$|/contract-suite|^test/` },
  to: { path: `node_modules/${packageName}` },
});

/** A layer is a library, or a folder of its sources. */
const sourcesOf = (folder) => `^${folder.includes('/src/') ? folder : `${folder}/src`}/`;

const layer = (folder, allowed) => ({
  name: `layer-${folder.replaceAll('/', '-')}`,
  severity: 'error',
  from: { path: sourcesOf(folder), pathNot: '\\.spec\\.ts$|contract-suite|-lab\\.ts$' },
  to: { path: '^(libs|services)/', pathNot: `^(${[folder, ...allowed].join('|')})(/|$)` },
});

const pure = (folder) => ({
  name: `pure-${folder.replaceAll('/', '-')}`,
  severity: 'error',
  comment: 'domain code uses no clock, randomness, environment or I/O',
  from: { path: sourcesOf(folder), pathNot: '\\.spec\\.ts$|/testing/' },
  to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-unresolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'services-know-no-services',
      severity: 'error',
      comment:
        'tests of a client run the services that it talks to; all-in-one is made of services, fleet-simulator of workers',
      from: { path: '^services/([^/]+)/', pathNot: '^services/(cli/test|all-in-one|fleet-simulator)/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    layer('libs/core', []),
    layer('libs/contracts', ['libs/core']),
    layer('libs/model', ['libs/core', 'libs/contracts', 'libs/acceleration/src/programs.ts']),
    layer('libs/planner', ['libs/core', 'libs/contracts', 'libs/model', 'libs/document-owner/src/documents']),
    layer('libs/document-owner/src/documents', ['libs/core', 'libs/contracts', 'libs/model']),
    layer('libs/document-owner', [
      'libs/core',
      'libs/contracts',
      'libs/model',
      'libs/bus',
      'libs/resource-service',
    ]),
    layer('libs/reconcile', ['libs/core']),
    layer('libs/store', ['libs/core']),
    layer('libs/bus', ['libs/core', 'libs/contracts']),
    layer('libs/resource-service', ['libs/core', 'libs/contracts', 'libs/model', 'libs/store', 'libs/bus']),
    layer('libs/service-shell', ['libs/core', 'libs/reconcile', 'libs/store', 'libs/bus']),
    layer('libs/client', ['libs/core', 'libs/contracts', 'libs/model', 'libs/bus']),
    layer('libs/ffi', ['libs/core']),
    layer('libs/netlink', ['libs/core', 'libs/ffi']),
    layer('libs/acceleration', ['libs/core', 'libs/ffi']),
    layer('libs/acceleration-client', [
      'libs/core',
      'libs/ffi',
      'libs/acceleration',
      'libs/client',
      'libs/model',
    ]),
    layer('libs/dataplane', ['libs/core', 'libs/contracts', 'libs/reconcile', 'libs/netlink', 'libs/ffi']),
    layer('libs/json-schema', ['libs/core']),
    layer('libs/workloads', [
      'libs/core',
      'libs/contracts',
      'libs/reconcile',
      'libs/netlink',
      'libs/ffi',
      'libs/json-schema',
    ]),
    layer('libs/testbed', ['libs/core', 'libs/netlink', 'libs/ffi']),
    layer('libs/testkit', ['libs/core']),
    pure('libs/model'),
    pure('libs/planner'),
    pure('libs/document-owner/src/documents'),
    only('typeorm', '(typeorm|better-sqlite3)', '^libs/store/src/sqlite/'),
    only('nats', '@nats-io', '^libs/bus/src/(nats/|roles|credentials)'),
    only('koffi', 'koffi', '^libs/ffi/'),
    only('nest', '@nestjs', '^(libs/(bus/src/nest|service-shell/src)/|services/[^/]+/src/(nest/|main))'),
  ],
  options: {
    doNotFollow: { path: ['node_modules', 'dist'] },
    exclude: { path: ['/dist/', 'src/gen/'] },
    tsPreCompilationDeps: true,
    parser: 'swc',
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@outboard/source', 'import', 'node', 'default'],
    },
    moduleSystems: ['es6'],
  },
};
