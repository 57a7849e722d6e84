import { readFileSync } from 'node:fs';
import { AF, linkByName, NetlinkSocket, RT_TABLE, RTN, route } from '@outboard/netlink';
import {
  EchoServer,
  type Endpoint,
  ping,
  type Testbed,
  tcpEcho,
  udpEcho,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import type { Entry } from '../src/testing/documents.js';
import { type EchoProtocol, type EgressSite, PORTS, SERVER, type Socket, UPLINKS } from './egress-site.js';
import { PacketLab } from './packet-lab.js';
import type { PacketWorld } from './packets-suite.js';

/** So long what is to fail is waited for. */
const PATIENCE = { timeoutMilliseconds: 300 };
/** Each connection lives long enough for the other one to be there as well. */
const TOGETHER = { payloadBytes: 1 << 20, timeoutMilliseconds: 10_000 };

interface Forwarding {
  /** What forwards for routers, if not the uplink. */
  readonly forwarder?: string;
}

/** Real packets between namespaces. */
export class EgressPackets implements EgressSite {
  private constructor(
    private readonly lab: PacketLab,
    private readonly server: Disposable,
    private readonly forwarding: Forwarding,
  ) {}

  static async open(
    openWorld: (name: string) => PacketWorld,
    forwarding: Forwarding = {},
  ): Promise<EgressPackets> {
    const name = `e${process.pid.toString(36)}`;
    const lab = await PacketLab.open(name, PORTS, 1500, openWorld(name));
    await lab.testbed.addFabricAddress('underlay', SERVER.ip, 24);
    return new EgressPackets(lab, await EchoServer.listen(lab.testbed.fabric, SERVER.port), forwarding);
  }

  entriesFor(dpu: string): readonly Entry[] {
    return this.lab.entriesFor(dpu);
  }

  apply(dpu: string, entries: readonly Entry[]): Promise<void> {
    return this.lab.apply(dpu, entries);
  }

  async echo(port: string, to: Socket, protocol: EchoProtocol): Promise<Socket | undefined> {
    const outcome = await (protocol === 'TCP' ? tcpEcho : udpEcho)(this.lab.pod(port), to, PATIENCE);
    return outcome.kind === 'echoed' ? outcome.client : undefined;
  }

  echoTogether(ports: readonly string[], to: Socket, source: Socket) {
    return Promise.all(
      ports.map(async (port) => {
        const outcome = await tcpEcho(this.lab.pod(port), to, { source, ...TOGETHER });
        return outcome.kind === 'echoed' ? outcome.client : undefined;
      }),
    );
  }

  async untilReached(port: string, ip: string): Promise<void> {
    await waitReachable(this.lab.pod(port), ip);
  }

  async pings(port: string, ip: string): Promise<boolean> {
    return (await ping(this.lab.pod(port), ip, PATIENCE)).received > 0;
  }

  async whileListening(
    at: readonly (readonly [where: string, port: number])[],
    action: () => Promise<void>,
  ): Promise<void> {
    const servers: Disposable[] = [];
    try {
      for (const [where, port] of at) servers.push(await EchoServer.listen(this.#place(where), port));
      await action();
    } finally {
      for (const server of servers) server[Symbol.dispose]();
    }
  }

  async intrudes(dpu: string, ip: string, port?: number): Promise<boolean> {
    const isIpv6 = ip.includes(':');
    const uplink = UPLINKS[dpu];
    const way = {
      rtmFamily: isIpv6 ? AF.INET6 : AF.INET,
      rtmDstLen: isIpv6 ? 128 : 32,
      rtmTable: RT_TABLE.MAIN,
      rtmType: RTN.UNICAST,
      dst: ip,
      gateway: (isIpv6 ? uplink?.ip6 : uplink?.ip) ?? '',
    };
    const { fabric } = this.#testbed;
    const socket = NetlinkSocket.open({ namespace: fabric.namespace });
    try {
      const oif = (await linkByName(socket, 'underlay'))?.ifiIndex ?? 0;
      await socket.batch([route.create({ ...way, oif })]);
      try {
        if (port === undefined) return (await ping(fabric, ip, PATIENCE)).received > 0;
        return (await tcpEcho(fabric, { ip, port }, PATIENCE)).kind === 'echoed';
      } finally {
        await socket.batch([route.remove({ ...way, oif })]);
      }
    } finally {
      socket.close();
    }
  }

  async addIpv6(): Promise<void> {
    await this.#testbed.addFabricAddress('underlay', SERVER.ip6, 64);
    for (const [dpu, { ip6 }] of Object.entries(UPLINKS)) {
      await this.#testbed.addDpuAddress(dpu, this.#forwarder(dpu), ip6, 64);
      await waitUntil('the driver knows of the address', async () =>
        this.lab.underlay(dpu)?.ipv6 ? undefined : JSON.stringify(this.lab.underlay(dpu)),
      );
    }
  }

  async untilNothingIsForwarded(dpu: string): Promise<void> {
    const path = `/proc/sys/net/ipv4/conf/${this.#forwarder(dpu)}/forwarding`;
    const { namespace } = this.#testbed.dpu(dpu);
    await waitUntil('the uplink does not forward', async () =>
      namespace.run(() => readFileSync(path, 'latin1').trim()) === '0' ? undefined : 'it does',
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server[Symbol.dispose]();
    await this.lab[Symbol.asyncDispose]();
  }

  get #testbed(): Testbed {
    return this.lab.testbed;
  }

  #forwarder(dpu: string): string {
    return this.forwarding.forwarder ?? this.#testbed.dpu(dpu).plan.underlay.device;
  }

  #place(where: string): Endpoint {
    if (where === 'fabric') return this.#testbed.fabric;
    return this.#testbed.dpus.has(where) ? this.#testbed.dpu(where) : this.lab.pod(where);
  }
}
