/** The same paths made by hand, with nothing on them but what carries packets: what ours are compared with. */
import { execFileSync } from 'node:child_process';
import type { Dpu } from '@outboard/testbed';
import { BENCH_PORTS, type BenchPort, GATEWAY_MAC, MTU } from './traffic-document.js';

const VNI = 777;
/** Not the port of ours, whose socket has other flags. */
const VXLAN_PORT = 4790;

const portsOf = (dpu: Dpu): readonly BenchPort[] =>
  BENCH_PORTS.filter((port) => port.set === 'bare' && port.dpu === dpu.name);

const run = (dpu: Dpu, program: string, args: readonly string[], input = ''): string =>
  dpu.namespace.run(() => execFileSync(program, [...args], { input, encoding: 'utf8' }));

/** Two bridges with the gateways' addresses, which the DPU's kernel routes between, and a tunnel. */
export function bareLinux(dpu: Dpu, peer: string): void {
  const lines = [1, 2].flatMap((network) => [
    `link add bare${network} address ${GATEWAY_MAC} mtu ${MTU} type bridge`,
    `addr add 10.77.${network}.1/24 dev bare${network}`,
    `link set bare${network} up`,
  ]);
  lines.push(`link add baretunnel mtu ${MTU} type vxlan id ${VNI} remote ${peer} dstport ${VXLAN_PORT}`);
  lines.push('link set baretunnel master bare1 up');
  for (const { vf, network } of portsOf(dpu))
    lines.push(`link set pf0vf${vf} mtu ${MTU} master bare${network} up`);
  run(dpu, 'ip', ['-batch', '-'], lines.join('\n'));
  const settings = ['net.ipv4.ip_forward=1', 'net.bridge.bridge-nf-call-iptables=0'];
  run(dpu, 'sysctl', ['-qw', ...settings]);
}

/** A bridge that learns, a tunnel to the other DPU only, and between the networks two flows. */
export function bareOpenVswitch(dpu: Dpu, peer: string, directory: string): void {
  const ports = portsOf(dpu);
  const command = [`--db=unix:${directory}/db.sock`, '--', 'add-br', 'bare'];
  command.push('--', 'set', 'Bridge', 'bare', 'datapath_type=netdev', 'protocols=OpenFlow15');
  for (const { vf } of ports) command.push('--', 'add-port', 'bare', `pf0vf${vf}`);
  command.push('--', 'add-port', 'bare', 'baretunnel', '--', 'set', 'Interface', 'baretunnel');
  command.push('type=vxlan', `options:remote_ip=${peer}`, `options:key=${VNI}`);
  run(dpu, 'ovs-vsctl', command);
  for (const { vf } of ports) run(dpu, 'ip', ['link', 'set', `pf0vf${vf}`, 'up']);
  for (const { ip, mac, vf } of ports) {
    const match = `ip,dl_dst=${GATEWAY_MAC},nw_dst=${ip}`;
    const actions = `set_field:${GATEWAY_MAC}->eth_src,set_field:${mac}->eth_dst,dec_ttl,pf0vf${vf}`;
    const flow = `priority=10,${match},actions=${actions}`;
    run(dpu, 'ovs-ofctl', ['-O', 'OpenFlow15', '--names', 'add-flow', `${directory}/bare.mgmt`, flow]);
  }
}
