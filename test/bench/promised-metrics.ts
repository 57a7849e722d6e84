/** What each program, or each part of one, tells of with `--quick`, in order. Numbers that differ from run to run: a pattern. */
export type Promised = readonly (string | RegExp)[];

const DRIVERS = ['linux', 'ovs'];
const SERVICES = ['admin', 'network-intent'];
const FLEET_PROCESSES = [...SERVICES, 'workers', 'nats-server', 'bench'];

const CASES = [
  'AES-256-GCM 4 KiB inline',
  "AES-256-GCM 4 KiB inline, against Node's own cipher",
  'AES-256-GCM 4 KiB rings',
  'AES-256-GCM 64 KiB shared, doorbell',
  'AES-256-GCM 1 MiB shared, doorbell',
  'Zstandard 64 KiB rings',
  'Zstandard 64 KiB shared, doorbell',
  'Zstandard 1 MiB shared, doorbell',
];
const CLIENT_TIME = '  processor time of the client, a job';

const changesOf = (what: string, processes: readonly string[]): Promised => [
  `${what}, until the last DPU has applied it, p50`,
  `${what}, until the last DPU has applied it, p99`,
  ...processes.map((name) => `${what}: processor of ${name} for a change`),
  `${what}: deltas for each DPU`,
  `${what}: bytes of deltas for each DPU`,
  `${what}: reports of each DPU`,
];

const churnOf = (what: string): Promised => [
  `${what}: most intents/s with p99 in time`,
  `${what}: a pod, published to applied, p50`,
  `${what}: a pod, published to applied, p99`,
  `${what}: a change of policy, published to applied, p50`,
  `${what}: a change of policy, published to applied, p99`,
  `${what}: deltas for an intent`,
  ...FLEET_PROCESSES.map((name) => `${what}: processor of ${name} for an intent`),
];

const processorOf = (what: string, processes: readonly string[] = FLEET_PROCESSES): Promised =>
  processes.map((name) => `${what}: processor time of ${name}`);

const FLEET: Promised = [
  'boot storm: from the start of the first until all are ready',
  ...processorOf('boot storm'),
  'heartbeats',
  ...FLEET_PROCESSES.map((name) => `idle: processor of ${name}`),
  ...churnOf('churn on routers of ten DPUs'),
  '1 rebooted at once, until all are ready',
  ...changesOf('an address set of a policy on all changed', FLEET_PROCESSES),
  'a network over all, 1 ports on each, made',
  ...processorOf('a network over all'),
  'objects in all switches',
  ...changesOf('one port more of it, and the one before gone', FLEET_PROCESSES),
  ...churnOf('churn on a router of all DPUs'),
  ...[...SERVICES, 'workers', 'nats-server'].map((name) => `memory of ${name}`),
];

const PLAYED_PROCESSES = [...SERVICES, 'workers', 'players', 'nats-server', 'bench'];
const PLAYED_MEMORY: Promised = PLAYED_PROCESSES.slice(0, -1).map((name) => `memory of ${name}`);
const MORE = 'one port more, and the one before gone';

const LARGE: Promised = [
  '3 ports wanted on DPUs that are not there',
  ...processorOf('ports wanted', [...SERVICES, 'nats-server', 'bench']),
  'all DPUs started at once, until the last is ready',
  'the same, until 3 ports are everywhere',
  ...processorOf('all ports everywhere', PLAYED_PROCESSES),
  'objects in the switches of 2 DPUs',
  'entries in the documents of all DPUs',
  ...PLAYED_MEMORY,
  ...changesOf(MORE, PLAYED_PROCESSES),
  `${MORE}, until the last of 2 with a worker, p50`,
  `${MORE}, until the last of 2 with a worker, p99`,
  ...['running', 'deltas', 'upserts', 'deletes', 'adopted'].map((name) => `played: ${name}`),
  ...PLAYED_MEMORY,
  'network-intent restarted, until it is ready',
];

/** By the command line. */
export const PROMISED: Readonly<Record<string, Promised>> = {
  netlink: [
    '1k routes, against C',
    '1k routes, against ip -batch',
    '1k routes with addresses as text, against C',
    'dump of 1k routes to objects, against ip -j and JSON.parse',
    '1k FDB entries, against C',
    '1k FDB entries, against bridge -batch',
  ],
  'intent latency': [
    'published to read back, idle, p50, against bare kernel (NORMAL)',
    'published to read back, idle, p99, against bare kernel (NORMAL)',
    'ports attached at saturation (NORMAL)',
    'published to read back at 80 % of saturation, p50 (NORMAL)',
    'published to read back at 80 % of saturation, p99 (NORMAL)',
  ],
  'intent sustained': [
    'intents/s in one process, NORMAL, against bare JetStream publish',
    'processor time of one intent, NORMAL',
    'intents/s in one process, FULL, against bare JetStream publish',
    'processor time of one intent, FULL',
  ],
  'intent attach': [
    'one port attached and read back by the engine, p10, against bare kernel',
    'one port attached and read back by the engine, p50, against bare kernel',
    'one port attached and read back by the engine, p99, against bare kernel',
    'processor time of it, kernel included, mean',
  ],
  'intent routes': [
    '1k routes diffed, applied, read back, against C installing',
    'one port attached while that runs, p50 (against alone)',
    'one port attached while that runs, p99 (against alone)',
  ],
  'intent footprint': [
    'worker with 8 ports: resident',
    'worker with 8 ports: processor when idle, of one core',
    'worker with 8 ports: killed, started, adopted (worst of 1)',
    'worker with 8 ports: processor time of that (least of 1)',
    'worker with 8 ports: resident after adoption',
  ],
  'intent adoption': [
    '200 ports made and read back, from the start of the process',
    '200 ports adopted after a kill, from the start of the process (worst of 1)',
    'changes of the kernel that adoption makes',
    /^packets lost meanwhile, of \d+$/,
    'resident after adoption',
  ],
  'network traffic': DRIVERS.flatMap((driver) =>
    ['on one DPU', 'across DPUs', 'between networks'].flatMap((where) => [
      `${driver}: TCP ${where}`,
      `${driver}: TCP ${where}, 8 rules each way at both ends`,
    ]),
  ),
  'network member': [
    'one member of a group: delta to read back, median; against nft -f, which reads nothing back',
    'the same, 99th percentile',
  ],
  'network questions': [
    'flows that a policy opens and closes, 1000 ports',
    'of it processor time',
    'flows that a policy opens and closes, 1000 ports, when it selects others',
    'of it processor time',
  ],
  planner: [
    'port created in a 2-DPU network, decided and compiled',
    'port changed in a 2-DPU network, alone in its group',
    '1,000 ports: port created',
    '1,000 ports: port changed, median',
    '1,000 ports: port changed, p99',
    '2,000 ports: port created',
    '2,000 ports: port changed, median',
    '2,000 ports: port changed, p99',
    'report of one applied port, median',
    /^documents of all DPUs \(\d+ objects\)$/,
    'world loaded from its records',
    'memory of the world beside its records',
    'port changed in a 20-DPU network, per DPU',
    'port deleted or created in a /16 of 600, median',
    'port deleted or created in a /16 of 600, p99',
  ],
  'admin lifecycle': [
    "reboot with 8 ports, against the kernel's part alone",
    'dead DPU told, slowest of 1, against its lease',
    'drain of 8 ports, against the answers to their deletion',
  ],
  'admin chain': DRIVERS.flatMap((driver) => [
    ...['one hop', 'two hops'].flatMap((hops) => [
      `${driver}: chain of ${hops}, TCP`,
      `${driver}: chain of ${hops}, ping`,
    ]),
    `${driver}: a hop of two chains is down, read back`,
    `${driver}: a hop of two chains is up, read back`,
  ]),
  'admin workload': [
    'start of a CNF to its interface answering, against the bare program',
    'call of a method through schemas and socket, median',
    'call of a method through schemas and socket, 99 %',
  ],
  'acceleration throughput': [
    ...CASES.flatMap((name) => [name, '  processor time of the worker, a job', CLIENT_TIME]),
    ...['64 KiB', '1024 KiB'].map((size) => `chain of Zstandard and AES-256-GCM, ${size}`),
    ...['4 KiB', '64 KiB', '1024 KiB'].map((size) => `openssl speed ${size}`),
    ...['4 KiB', '64 KiB', '1024 KiB'].flatMap((size) => [`TypeScript client ${size}`, CLIENT_TIME]),
    'AES-256-GCM 1 MiB, two threads',
  ],
  'acceleration fairness': [
    'weights 3:1, jobs of 4 KiB against jobs of 1 MiB',
    'weights 3:1, jobs of 1 MiB against jobs of 4 KiB',
    'p50 of 4 KiB beside a flood',
    'p99 of 4 KiB beside a flood',
  ],
  'acceleration sessions': [
    'session create, stored, one after the other, p50',
    'session create, stored, one after the other, p99',
    'the same for reading a session, p50',
    'processor time of a session create',
    'sessions created a second, 64 at a time',
    'memory of the broker with 100 sessions',
    'memory of a session',
    'processor time of renewing 100 sessions once',
    'processor for 100 sessions that are used (renewal every 2.7 s, and looking for ends)',
    'start of the broker with 100 sessions',
  ],
  cni: [
    "ADD p50, against the kernel's part alone (10 ms more allowed)",
    'of it the start of a program that does nothing, p50',
    'ADD p99',
    "ADD p50, against Debian's bridge with host-local",
    "DEL p50, against Debian's bridge with host-local",
    'ADD of 4 pods at once: pods a second',
    'ADD of 4 pods at once: p99',
    'ADD of 4 pods at once: processor time on the host',
    'ADD of 4 pods at once: processor time with bus, services and worker',
    'agent with 4 pods: resident memory',
    'DEL of 4 pods at once: pods a second',
    'DEL of 4 pods at once: p99',
    'DEL of 4 pods at once: processor time on the host',
    'DEL of 4 pods at once: processor time with bus, services and worker',
  ],
  'fleet --dpus=3 --functions=8 --full=2': [...FLEET, ...LARGE].map((metric) => `3 DPUs: ${metric}`),
};
