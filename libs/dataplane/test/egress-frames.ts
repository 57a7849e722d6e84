import { expect } from '@jest/globals';
import { EXIT_DEVICE, exitKey, type OvsSpec } from '../src/driver-ovs/realise/ovs-objects.js';
import { sourceOf } from '../src/driver-sim/frames.js';
import { SimDriver } from '../src/driver-sim/sim-driver.js';
import { SimFabric } from '../src/driver-sim/sim-fabric.js';
import { type Probe, SimHost } from '../src/driver-sim/sim-host.js';
import { SimSwitch } from '../src/driver-sim/sim-switch.js';
import type { Packet } from '../src/driver-sim/switch/packet.js';
import * as d from '../src/testing/documents.js';
import { EngineProbe } from '../src/testing/engine-probe.js';
import {
  DPUS,
  type EchoProtocol,
  type EgressSite,
  PORTS,
  SERVER,
  type Socket,
  UPLINKS,
} from './egress-site.js';
import { addressesOf, entriesOfPorts, gatewaysOf, type LabPort, macOf, representorOf } from './packet-lab.js';

const TCP = 6n;
const PREFIX_LENGTHS = { 4: 24, 6: 64 } as const;
const INTRUDER = ['10.254.0.251', 'fd00:fab::251'];

const uplinkOf = (dpu: string): { ip: string; ip6: string } => {
  const uplink = UPLINKS[dpu];
  if (uplink === undefined) throw new Error(`there is no DPU ${dpu}`);
  return uplink;
};

/** Addresses of both families, each with the gateway of its own. */
const dualStack = (ips: readonly string[], gateways: readonly string[] = []) =>
  ips.map((ip, index) => ({
    ip,
    prefixLength: PREFIX_LENGTHS[ip.includes(':') ? 6 : 4],
    gateway: gateways[index],
  }));

/** A host that remembers who asked last. */
class AskedHost extends SimHost {
  asker: Socket | undefined;

  override receive(packet: Packet): void {
    const ip = sourceOf(packet);
    if (ip !== undefined && !packet.payload.isAnswer) {
      const port = packet.get(packet.get('ip_proto') === TCP ? 'tcp_src' : 'udp_src');
      this.asker = { ip, port: Number(port) };
    }
    super.receive(packet);
  }
}

interface FramesDpu {
  readonly vswitch: SimSwitch;
  readonly driver: SimDriver;
  readonly probe: EngineProbe<OvsSpec>;
}

/** Frames in memory, between simulated switches. Hosts answer at every port. */
export class EgressFrames implements EgressSite {
  readonly #fabric = new SimFabric();
  readonly #dpus = new Map<string, FramesDpu>();
  readonly #hosts = new Map<string, AskedHost>();
  #sequence = 0;

  static async open(): Promise<EgressFrames> {
    const site = new EgressFrames();
    for (const dpu of DPUS) await site.#addDpu(dpu);
    for (const port of PORTS) site.#connect(port);
    const addresses = dualStack([SERVER.ip, SERVER.ip6]);
    site.#fabric.attachMachine(new AskedHost({ macAddress: '02:00:5e:00:fe:01', addresses }));
    return site;
  }

  async #addDpu(name: string): Promise<void> {
    const vswitch = new SimSwitch();
    for (const port of PORTS) if (port.dpu === name) vswitch.plug(representorOf(port));
    const { ip } = uplinkOf(name);
    this.#fabric.add({ name, vswitch, underlayAddress: ip });
    const driver = new SimDriver({ vswitch, underlay: { device: 'p0', address: ip, mtu: 1600 } });
    this.#dpus.set(name, { vswitch, driver, probe: await EngineProbe.start(driver) });
  }

  #connect(port: LabPort): void {
    const addresses = dualStack(addressesOf(port), gatewaysOf(port.network));
    const host = new AskedHost({ macAddress: macOf(port), addresses });
    this.#hosts.set(port.name, host);
    this.#fabric.attach(port.dpu, representorOf(port), host);
  }

  entriesFor(dpu: string): readonly d.Entry[] {
    return entriesOfPorts(dpu, PORTS, (other) => uplinkOf(other).ip);
  }

  async apply(dpu: string, entries: readonly d.Entry[]): Promise<void> {
    const { problems } = await this.#dpu(dpu).probe.apply(d.document(++this.#sequence, entries));
    expect(problems).toEqual([]);
  }

  async echo(port: string, to: Socket, protocol: EchoProtocol): Promise<Socket | undefined> {
    return this.#ask(port, { destination: to.ip, port: to.port, protocol });
  }

  async echoTogether(ports: readonly string[], to: Socket, { ip: source, port: sourcePort }: Socket) {
    // Connections stay until the switch is told otherwise: both are there at the same time.
    const probe = { destination: to.ip, port: to.port, protocol: 'TCP', source, sourcePort } as const;
    return ports.map((port) => this.#ask(port, probe));
  }

  async untilReached(port: string, ip: string): Promise<void> {
    expect({ port, ip, reached: await this.pings(port, ip) }).toEqual({ port, ip, reached: true });
  }

  async pings(port: string, ip: string): Promise<boolean> {
    return this.#ask(port, { destination: ip, protocol: 'ICMP' }) !== undefined;
  }

  whileListening(_: readonly (readonly [string, number])[], action: () => Promise<void>): Promise<void> {
    return action();
  }

  async intrudes(dpu: string, ip: string, port?: number): Promise<boolean> {
    const { ip: gateway, ip6: gateway6 } = uplinkOf(dpu);
    const addresses = dualStack(INTRUDER, [gateway, gateway6]);
    const intruder = new SimHost({ macAddress: '02:00:5e:00:fe:02', addresses });
    this.#fabric.attachMachine(intruder);
    const { arrived, answered } = this.#fabric.probe(intruder, {
      destination: ip,
      ...(port === undefined ? { protocol: 'ICMP' } : { protocol: 'TCP', port }),
    });
    return arrived || answered;
  }

  async addIpv6(): Promise<void> {
    for (const [name, { vswitch, driver }] of this.#dpus) {
      const { ip, ip6 } = uplinkOf(name);
      this.#fabric.add({ name, vswitch, underlayAddress: ip, ipv6Address: ip6 });
      driver.setUnderlay({ device: 'p0', address: ip, ipv6: true, mtu: 1600 });
    }
  }

  async untilNothingIsForwarded(dpu: string): Promise<void> {
    expect(this.#dpu(dpu).vswitch.get(exitKey(EXIT_DEVICE))).toBeUndefined();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { probe } of this.#dpus.values()) await probe[Symbol.asyncDispose]();
  }

  /** Who asked, as who answered saw it; undefined: nobody answered. */
  #ask(port: string, probe: Probe): Socket | undefined {
    const host = this.#hosts.get(port);
    if (host === undefined) throw new Error(`there is no port ${port}`);
    const { answered, by } = this.#fabric.probe(host, probe);
    if (!answered) return undefined;
    return by instanceof AskedHost ? by.asker : { ip: 'the network itself', port: 0 };
  }

  #dpu(name: string): FramesDpu {
    const found = this.#dpus.get(name);
    if (found === undefined) throw new Error(`there is no DPU ${name}`);
    return found;
  }
}
