import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pod } from '../pod.js';

/** What dhclient(8) tells its script of what it was told, by name (dhclient-script(8)). */
export type Told = ReadonlyMap<string, string>;

/** Does with what was told what a host's own script does, to the one device, and says so. Nothing of the machine is touched. */
const SCRIPT = `#!/bin/sh
case "$reason" in
PREINIT | PREINIT6)
  ip link set dev "$interface" up
  exit 0
  ;;
BOUND)
  ip addr replace "$new_ip_address/$new_subnet_mask" dev "$interface"
  ip link set dev "$interface" mtu "$new_interface_mtu"
  ip route replace default via "$new_routers" dev "$interface"
  ;;
BOUND6) ip -6 addr replace "$new_ip6_address/128" dev "$interface" nodad ;;
*) exit 0 ;;
esac
env | grep ^new_
echo told
`;

const DEADLINE_MILLISECONDS = 20_000;

/** Runs a DHCP client in a pod until it has an address. Rejects with what it said if it gets none. */
export async function runDhcpClient(pod: Pod, family: 4 | 6, device = 'eth0'): Promise<Told> {
  const directory = mkdtempSync(join(tmpdir(), 'outboard-dhclient-'));
  const script = join(directory, 'script');
  writeFileSync(script, SCRIPT, { mode: 0o755 });
  const files = ['-lf', join(directory, 'leases'), '-pf', join(directory, 'pid'), '-cf', '/dev/null'];
  const child = pod.namespace.run(() =>
    spawn('dhclient', [`-${family}`, '-d', '-1', ...files, '-sf', script, device], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    }),
  );
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  try {
    return await new Promise<Told>((resolve, reject) => {
      let text = '';
      const fail = (why: string) => () => reject(new Error(`dhclient ${why}:\n${text}`));
      const timer = setTimeout(fail('has no address'), DEADLINE_MILLISECONDS);
      child.on('error', reject);
      child.on('close', () => {
        clearTimeout(timer);
        fail('ended')();
      });
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          if (!/^told$/m.test(text)) return;
          clearTimeout(timer);
          resolve(
            new Map(
              [...text.matchAll(/^new_(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
            ),
          );
        });
    });
  } finally {
    child.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true });
  }
}
