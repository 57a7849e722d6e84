import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Archive } from './archive.js';

/** Directories of kernel modules that a DPU's dataplane may need; they are loaded when they are asked for. */
const MODULES = [
  'kernel/net',
  'kernel/lib',
  'kernel/crypto',
  'kernel/arch',
  ...['veth', 'geneve', 'dummy', 'vxlan'].map((name) => `kernel/drivers/net/${name}`),
];
/** Of the workspace. */
const LIBRARIES = ['core', 'contracts', 'reconcile', 'ffi', 'netlink', 'dataplane', 'testbed'];
const PACKAGES = ['koffi', '@koromix', '@bufbuild/protobuf'];
/** Where the workspace is in the guest. */
const HOME = '/outboard';

/** Switches that the guest's kernel has as modules, and that nobody loads by asking for something. */
const AT_ONCE = ['br_netfilter', 'nf_conntrack', 'nf_nat', '8021q', 'vxlan', 'geneve', 'veth', 'bridge'];

const init = (program: string): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs run /run; mount -t tmpfs tmp /tmp
mkdir -p /run/netns
for module in ${AT_ONCE.join(' ')}; do modprobe $module || echo "no module $module"; done
ip link set lo up
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/tmp
node ${program}
echo "ended with $?"
poweroff -f
`;

/**
 * The first file system of a guest: this workspace as it is built, Node, nft(8), busybox, and the modules of its kernel.
 *
 * @param kernel a directory with a kernel's package unpacked, modules.dep included.
 * @param program in the workspace: what runs as the guest's only program.
 */
export function buildImage(workspace: string, kernel: string, program: string): Buffer {
  const archive = new Archive();
  for (const directory of ['/proc', '/sys', '/dev', '/run', '/tmp', '/sbin', '/usr/bin', '/root'])
    archive.directory(directory);
  archive.characterDevice('/dev/console', 5, 1);
  archive.file('/bin/busybox', readFileSync('/bin/busybox'), true);
  archive.file('/init', Buffer.from(init(`${HOME}/${program}`)), true);
  archive.link('/sbin/modprobe', '/bin/busybox');
  const seen = new Set<string>();
  addProgram(archive, process.execPath, '/bin/node', seen);
  addProgram(archive, '/usr/sbin/nft', '/usr/sbin/nft', seen);
  addModules(archive, kernel);
  const trees = [
    ...LIBRARIES.flatMap((name) => [`libs/${name}/package.json`, `libs/${name}/dist`]),
    'libs/testbed/agents',
    'test/dist/qemu',
    ...PACKAGES.map((name) => `node_modules/${name}`),
  ];
  archive.file(`${HOME}/package.json`, Buffer.from('{"type":"module"}'));
  for (const tree of trees) addTree(archive, workspace, join(workspace, tree));
  for (const name of LIBRARIES) archive.link(`${HOME}/node_modules/@outboard/${name}`, `../../libs/${name}`);
  return archive.done();
}

/** A program and the shared libraries that it needs. */
function addProgram(archive: Archive, from: string, to: string, seen: Set<string>): void {
  archive.file(to, readFileSync(realpathSync(from)), true);
  const listed = execFileSync('ldd', [from], { encoding: 'utf8' });
  for (const [library] of listed.matchAll(/\/\S+/g)) {
    if (seen.has(library)) continue;
    seen.add(library);
    archive.file(library, readFileSync(realpathSync(library)), true);
  }
}

function addModules(archive: Archive, kernel: string): void {
  const root = join(kernel, 'lib/modules');
  const [release = ''] = readdirSync(root);
  const place = `/lib/modules/${release}`;
  for (const name of readdirSync(join(root, release))) {
    const path = join(root, release, name);
    if (statSync(path).isFile()) archive.file(`${place}/${name}`, readFileSync(path));
  }
  const all = readdirSync(join(root, release, 'kernel'), { recursive: true, encoding: 'utf8' });
  for (const name of all) {
    const inTree = `kernel/${name}`;
    if (name.endsWith('.ko') && MODULES.some((wanted) => inTree.startsWith(wanted)))
      archive.file(`${place}/${inTree}`, readFileSync(join(root, release, inTree)));
  }
}

function addTree(archive: Archive, workspace: string, path: string): void {
  const to = `${HOME}/${relative(workspace, path)}`;
  if (statSync(path).isFile()) {
    archive.file(to, readFileSync(path));
    return;
  }
  for (const name of readdirSync(path)) {
    if (name.endsWith('.map') || name.endsWith('.d.ts')) continue;
    addTree(archive, workspace, join(path, name));
  }
}
