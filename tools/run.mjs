#!/usr/bin/env node
// The commands of package.json on a machine that has only Node and npm: set-up first, then the work.
// Uses nothing but Node's own modules, since node_modules may not exist yet.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackages, isInstalled } from './debian-packages.mjs';
import { summarise, tellSuite } from './results.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const MINIMUM_NODE = [20, 19];

/** Programs that Outboard calls, and the Debian package that brings each. */
const SYSTEM_PROGRAMS = {
  'nats-server': 'nats-server',
  ip: 'iproute2',
  nft: 'nftables',
  'ovs-vswitchd': 'openvswitch-switch',
  dhclient: 'isc-dhcp-client',
  ping: 'iputils-ping',
  nsenter: 'util-linux',
  runc: 'runc',
  conmon: 'conmon',
  yanglint: 'libyang-tools',
  gcc: 'gcc',
  'musl-gcc': 'musl-tools',
  'g++': 'g++',
  make: 'make',
  python3: 'python3',
};

/** Native libraries of the accelerator's engines. Where they cannot be installed, what comes with Node stands in. */
const SYSTEM_LIBRARIES = {
  'libcrypto.so.3': 'libssl3',
  'libisal.so.2': 'libisal2',
  'libzstd.so.1': 'libzstd1',
};

/** A thousand workers are in one heap. */
const FLEET_FLAGS = [
  '--max-semi-space-size=64',
  `--max-old-space-size=${Math.floor((totalmem() * 0.75) / 2 ** 20)}`,
];

const commands = { setup, start, test, 'test-slow': testSlow, bench, outboard };

function say(line) {
  process.stdout.write(`${line}\n`);
}

function fail(message) {
  process.stderr.write(`outboard: ${message}\n`);
  process.exit(1);
}

function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error) fail(`${program}: ${result.error.message}`);
  return result;
}

function mustRun(program, args, options = {}) {
  const result = run(program, args, options);
  if (result.status !== 0) fail(`${program} ${args.join(' ')} ended with ${result.status ?? result.signal}`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor < MINIMUM_NODE[1])) {
    fail(`needs Node ${MINIMUM_NODE.join('.')} or later, this is ${process.versions.node}`);
  }
}

/** Why real packets cannot be had here; undefined: they can. */
function obstacle() {
  if (process.platform !== 'linux')
    return `needs Linux (network namespaces, rtnetlink, nftables); this is ${process.platform}`;
  if (process.getuid() !== 0)
    return 'needs root: it creates network namespaces and devices (only in namespaces of its own, prefix ob)';
  return undefined;
}

function checkMachine() {
  checkNode();
  const why = obstacle();
  if (why) fail(why);
}

function hasLibrary(soname) {
  const architecture = { x64: 'x86_64', arm64: 'aarch64' }[process.arch] ?? process.arch;
  const folders = [`/usr/lib/${architecture}-linux-gnu`, '/usr/lib64', '/usr/lib', '/usr/local/lib'];
  return folders.some((folder) => existsSync(join(folder, soname)));
}

function installSystemPackages() {
  const programs = Object.entries(SYSTEM_PROGRAMS).filter(([program]) => !isInstalled(program));
  const libraries = Object.entries(SYSTEM_LIBRARIES).filter(([soname]) => !hasLibrary(soname));
  const missing = [...programs, ...libraries];
  if (missing.length === 0) return;
  if (!isInstalled('apt-get')) {
    if (programs.length === 0) return;
    fail(
      `missing programs: ${programs.map(([program]) => program).join(', ')}; install them and run this again`,
    );
  }
  installPackages(missing.map(([, debianPackage]) => debianPackage));
}

/** node-gyp looks for Node's headers on the network unless it is told that they lie beside Node. */
function npmEnvironment() {
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, 'include/node/node.h'));
  return headers ? { ...process.env, npm_config_nodedir: prefix } : process.env;
}

/** `npm ci` in a folder, unless what it installed last time is what the lock file says now. */
function installNodeModules(folder) {
  const digest = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex');
  const stamp = join(folder, 'node_modules/.outboard-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  say(
    `setup: npm ci in ${folder === root ? 'the workspace' : folder.slice(root.length + 1)} (minutes when npm's cache is empty)`,
  );
  mustRun('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: folder,
    env: npmEnvironment(),
  });
  writeFileSync(stamp, digest);
}

function setup() {
  checkMachine();
  installSystemPackages();
  installNodeModules(root);
  // An own project: it uses nothing of the workspace.
  installNodeModules(join(root, 'examples/external-orchestrator'));
  build();
  for (const native of ['services/host-agent/plugin/build.mjs', 'libs/acceleration/native/build.mjs'])
    mustRun(process.execPath, [native], { stdio: ['ignore', 'ignore', 'inherit'] });
}

function build() {
  say('setup: generating code and building');
  mustRun('npm', ['run', '--silent', 'build']);
}

/** Removes what runs that were killed have left: namespaces, processes, directories. The living are left alone. */
async function removeLeftovers() {
  const { Testbed } = await import('../libs/testbed/dist/index.js');
  const { removed } = Testbed.removeLeftovers();
  if (removed.length > 0) say(`removed what killed runs had left: ${removed.join(', ')}`);
}

/** `--simulated`: also where real packets could be had. `--as-built`: without set-up, as it was built last. */
async function start(args) {
  const why = obstacle();
  const [isSimulated, isBuilt] = ['--simulated', '--as-built'].map((option) => args.includes(option));
  const rest = args.filter((arg) => arg !== '--simulated' && arg !== '--as-built');
  if (why || isSimulated) {
    startSimulated(rest, why, isBuilt);
    return;
  }
  if (!isBuilt) setup();
  await removeLeftovers();
  process.exit(run(process.execPath, ['services/local-stack/dist/main.js', ...rest]).status ?? 1);
}

/** The same services and a simulated dataplane in one process: what Node alone can run. */
function startSimulated(args, why, isBuilt) {
  checkNode();
  if (why) say(`setup: with real packets it ${why}; this is the simulated dataplane`);
  if (!isBuilt) {
    installNodeModules(root);
    build();
  }
  process.exit(run(process.execPath, ['services/all-in-one/dist/main.js', ...args]).status ?? 1);
}

function outboard(args) {
  // Not a client of the bus, as the rest is, but many workers on it.
  if (args[0] === 'fleet')
    process.exit(
      run(process.execPath, [...FLEET_FLAGS, 'services/fleet-simulator/dist/main.js', ...args.slice(1)])
        .status ?? 1,
    );
  process.exit(run(process.execPath, ['services/cli/dist/main.js', ...args]).status ?? 1);
}

async function bench(args) {
  setup();
  const [name, ...rest] = args;
  const program = join(root, `test/dist/bench/${name}.js`);
  if (!name || !existsSync(program))
    fail('usage: npm run bench -- NAME [PART...] [--json] [--quick]; the names are the files of test/bench');
  await removeLeftovers();
  process.exit(run(process.execPath, [program, ...rest]).status ?? 1);
}

/** Runs Nx targets one after the other and tells what the tests among them counted. */
function runTargets(label, steps) {
  const results = join(root, '.outboard/results', label);
  rmSync(results, { recursive: true, force: true });
  mkdirSync(results, { recursive: true });
  const env = { ...process.env, NX_DAEMON: 'false', FORCE_COLOR: '0', OUTBOARD_TEST_RESULTS: results };
  let failed = false;
  for (const [title, program, args] of steps) {
    const started = performance.now();
    const { status } = run(program, args, { env });
    say(
      `${title}: ${status === 0 ? 'ok' : 'FAILED'} in ${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
    if (status !== 0) failed = true;
  }
  const summary = summarise(results);
  for (const suite of summary.suites) say(`  ${tellSuite(suite)}`);
  if (failed && summary.failed === 0) summary.failed = 1;
  const skipped = summary.skipped > 0 ? `, ${summary.skipped} skipped` : '';
  say(`${summary.passed} passed, ${summary.failed} failed${skipped}`);
  process.exit(failed || summary.failed > 0 || summary.skipped > 0 || summary.passed === 0 ? 1 : 0);
}

/** A target of all projects; what does not end in time is ended, and told of by the file that it is in. */
const nx = (minutes, target, ...args) => [
  'timeout',
  ['--kill-after=30', `${minutes}m`, 'npx', 'nx', 'run-many', '-t', target, ...args, '--outputStyle=static'],
];

async function test() {
  setup();
  await removeLeftovers();
  runTargets('test', [
    ['lint', 'npm', ['run', '--silent', 'lint']],
    ['contracts', 'npm', ['run', '--silent', 'buf:check']],
    ['types', 'npm', ['run', '--silent', 'typecheck']],
    ['tests', ...nx(15, 'test')],
  ]);
}

async function testSlow() {
  setup();
  await removeLeftovers();
  runTargets('test-slow', [['slow tests', ...nx(60, 'test-slow', '--parallel=1')]]);
}

const [name, ...args] = process.argv.slice(2);
const command = commands[name];
if (!command) fail(`usage: run.mjs ${Object.keys(commands).join('|')}`);
await command(args);
