import { EXIT_DEVICE, TUNNEL_PORTS, UPLINK_PATCH, VLAN_PRESENT } from '../driver-ovs/realise/ovs-objects.js';
import { claim, familyOf, familyOfPacket, numberOfIp, questionIn } from './frames.js';
import type { Probe, SimHost } from './sim-host.js';
import type { SimSwitch } from './sim-switch.js';
import { SimUplink } from './sim-uplink.js';
import type { Output } from './switch/execute.js';
import { type Headers, Packet, type Payload } from './switch/packet.js';

/** A DPU on the fabric. */
export interface SimDpu {
  readonly name: string;
  readonly vswitch: SimSwitch;
  /** By which the others reach it. */
  readonly underlayAddress: string;
  /** Of its uplink besides, where that one is of IPv4: routers' IPv6 leaves under it. */
  readonly ipv6Address?: string | undefined;
}

/** What became of a probe. */
export interface ProbeOutcome {
  /** Somebody who has the destination got it. */
  readonly arrived: boolean;
  /** Who that is. */
  readonly by: SimHost | undefined;
  /** The answer came back. */
  readonly answered: boolean;
  /** The flows that each switch on the way met, in order: `<table>/<priority>`. */
  readonly path: readonly {
    readonly dpu: string;
    readonly inPort: string;
    readonly flows: readonly string[];
  }[];
}

/** So many frames may come of one: more are a loop. */
const MAX_FRAMES = 10_000;

/**
 * What is between simulated DPUs and behind them: tunnels end at who has the address, VLANs and untagged frames of
 * uplinks reach all others, functions have hosts. A frame has gone everywhere when sending it returns.
 */
export class SimFabric {
  readonly #dpus = new Map<string, SimDpu>();
  /** By the addresses that tunnels end at. */
  readonly #byAddress = new Map<bigint, SimDpu>();
  /** Who is behind the ports of DPUs, by `<dpu> <representor> <VLAN>`; VLAN 0: without a tag. */
  readonly #hosts = new Map<string, SimHost>();
  /** Who is on the fabric itself, by VLAN; 0: untagged. */
  readonly #devices = new Map<number, Set<SimHost>>();
  /** Of the kernels of DPUs, by their names. */
  readonly #uplinks = new Map<string, SimUplink>();
  /** Who is on the network of the DPUs' underlay addresses. */
  readonly #machines = new Set<SimHost>();
  #path: { dpu: string; inPort: string; flows: readonly string[] }[] = [];
  #probes = 0;
  #frames = 0;

  add(dpu: SimDpu): void {
    this.#dpus.set(dpu.name, dpu);
    this.#byAddress.set(numberOfIp(dpu.underlayAddress), dpu);
    this.#uplinks.set(dpu.name, new SimUplink(addressesOf(dpu), (key) => dpu.vswitch.get(key)));
  }

  /** Puts a host behind a function, or behind a VLAN of it; takes away the one that was there. */
  attach(dpu: string, representor: string, host: SimHost, vlanId = 0): void {
    this.detach(dpu, representor, vlanId);
    this.#hosts.set(`${dpu} ${representor} ${vlanId}`, host);
    host.connect((headers, payload) => {
      const vswitch = this.#dpus.get(dpu)?.vswitch;
      if (vswitch !== undefined) this.#enter(dpu, Packet.of(representor, tagged(headers, vlanId), payload));
    });
  }

  detach(dpu: string, representor: string, vlanId = 0): void {
    const key = `${dpu} ${representor} ${vlanId}`;
    this.#hosts.get(key)?.connect(undefined);
    this.#hosts.delete(key);
  }

  /** A device on the fabric, of a VLAN or untagged (0). */
  attachDevice(vlanId: number, host: SimHost): void {
    const devices = this.#devices.get(vlanId) ?? new Set();
    this.#devices.set(vlanId, devices.add(host));
    host.connect((headers, payload) => this.#onFabric(tagged(headers, vlanId), payload, host));
  }

  /** A machine on the network of the DPUs' underlay addresses, which routers with a way out reach. */
  attachMachine(host: SimHost): void {
    this.#machines.add(host);
    host.connect((headers, payload) => this.#fromMachine(host, Packet.of('', headers, payload)));
  }

  /** Sends a probe from a host, and looks at what became of it. */
  probe(from: SimHost, probe: Probe): ProbeOutcome {
    const number = ++this.#probes;
    this.#path = [];
    this.#frames = 0;
    from.ask(number, probe);
    const devices = [...this.#devices.values()].flatMap((set) => [...set]);
    const hosts = [...this.#hosts.values(), ...devices, ...this.#machines];
    const by = hosts.find((host) => host.hasGot(number));
    return {
      arrived: by !== undefined,
      by,
      answered: from.isAnswered(number),
      path: this.#path,
    };
  }

  #enter(name: string, packet: Packet): void {
    const dpu = this.#dpus.get(name);
    if (dpu === undefined || ++this.#frames > MAX_FRAMES) return;
    const { outputs, flows } = dpu.vswitch.receive(packet);
    if (flows.length > 0) this.#path.push({ dpu: name, inPort: packet.inPort, flows });
    for (const output of outputs) this.#leave(dpu, output);
  }

  #leave(dpu: SimDpu, { port, packet }: Output): void {
    const host = this.#hosts.get(`${dpu.name} ${port} ${vlanOf(packet)}`);
    if (host !== undefined) host.receive(packet.at(port));
    else if (port === TUNNEL_PORTS.vxlan || port === TUNNEL_PORTS.geneve) this.#tunnel(dpu, port, packet);
    else if (port === UPLINK_PATCH.integration) this.#onFabric(packet, packet.payload, dpu);
    else if (port === EXIT_DEVICE) this.#out(dpu, packet);
  }

  /** By the kernel of a DPU to whoever has the address there. */
  #out({ name }: SimDpu, packet: Packet): void {
    const family = familyOfPacket(packet);
    const leaving = this.#uplinks.get(name)?.out(packet);
    if (family === undefined || leaving === undefined) return;
    const destination = leaving.get(family === 4 ? 'ipv4_dst' : 'ipv6_dst');
    for (const machine of this.#machines) {
      if (!machine.has(family, destination)) continue;
      const arriving = leaving.at('');
      arriving.set('eth_src', macOf(name));
      arriving.set('eth_dst', machine.macAddress);
      machine.receive(arriving);
    }
  }

  /** The kernels of DPUs say that they have their addresses, and take in what answers their routers. */
  #fromMachine(machine: SimHost, packet: Packet): void {
    const asked = questionIn(packet);
    if (asked !== undefined) {
      const dpu = this.#find((each) => addressesOf(each).some((ip) => numberOfIp(ip) === asked.ip));
      if (dpu === undefined) return;
      const answer = claim({ ...asked, mac: macOf(dpu.name) });
      machine.receive(Packet.of('', answer, packet.payload));
      return;
    }
    // Whatever it is for: who takes a DPU for a router sends it there.
    const dpu = this.#find(({ name }) => macOf(name) === packet.get('eth_dst'));
    const coming = dpu && this.#uplinks.get(dpu.name)?.in(packet);
    if (dpu !== undefined && coming !== undefined) this.#enter(dpu.name, coming);
  }

  #find(wanted: (dpu: SimDpu) => boolean): SimDpu | undefined {
    return [...this.#dpus.values()].find(wanted);
  }

  #tunnel(from: SimDpu, port: string, packet: Packet): void {
    const isV6 = familyOf(from.underlayAddress) === 6;
    const to = packet.get(isV6 ? 'tun_ipv6_dst' : 'tun_dst');
    const peer = this.#byAddress.get(to);
    if (peer === undefined || peer === from) return;
    const source = numberOfIp(from.underlayAddress);
    const tunnel = isV6 ? { tun_ipv6_src: source, tun_ipv6_dst: to } : { tun_src: source, tun_dst: to };
    this.#enter(peer.name, packet.at(port, { tun_id: packet.get('tun_id'), ...tunnel }));
  }

  #onFabric(frame: Packet | Headers, payload: Payload, from: SimDpu | SimHost): void {
    const packet = frame instanceof Packet ? frame : Packet.of('', frame, payload);
    for (const device of this.#devices.get(vlanOf(packet)) ?? [])
      if (device !== from) device.receive(packet.at(''));
    for (const dpu of this.#dpus.values())
      if (dpu !== from) this.#enter(dpu.name, packet.at(UPLINK_PATCH.integration));
  }
}

const addressesOf = ({ underlayAddress, ipv6Address }: SimDpu): string[] =>
  ipv6Address === undefined ? [underlayAddress] : [underlayAddress, ipv6Address];
/** Of a DPU's uplink: locally administered, of its name. */
const macOf = (dpu: string): bigint =>
  0x0e_4f_42_00_00_00n |
  BigInt([...dpu].reduce((hash, char) => (hash * 31 + char.charCodeAt(0)) & 0xffffff, 7));
const vlanOf = (packet: Packet): number => Number(packet.get('vlan_vid') & 0xfffn);
const tagged = (headers: Headers, vlanId: number): Headers =>
  vlanId === 0 ? headers : { ...headers, vlan_vid: VLAN_PRESENT | vlanId };
