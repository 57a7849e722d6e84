import { type ProbeOutcome, type SimFabric, SimHost } from '@outboard/dataplane';
import type { Port } from '@outboard/model';
import { SERVICES } from './intents.js';
import type { ModelHistory, TriedFlow } from './model-history.js';
import type { Place } from './place.js';
import type { SeededRandom } from './seeded-random.js';

interface Pod {
  readonly port: Port;
  readonly place: Place;
  readonly host: SimHost;
}

/** Told of every probe, by its sort. */
type Count = (what: string) => void;

/** A pod for each port that is bound, where its function is, and what frames between them show. */
export class Pods {
  readonly #fabric: SimFabric;
  readonly #pods: readonly Pod[];
  /** Who has an address, by tenant and address: more than one, while it is told late that another has it now. */
  readonly #holders = new Map<string, number>();

  /** Behind `functions` that no port has bound is nobody from now on. */
  constructor(fabric: SimFabric, functions: readonly Place[], ports: readonly Port[]) {
    this.#fabric = fabric;
    for (const { dpu, representor } of functions) fabric.detach(dpu, representor);
    this.#pods = ports.flatMap((port) => {
      const { dpu, representor, macAddress, addresses } = port.status;
      if (dpu === undefined || representor === undefined || macAddress === undefined) return [];
      const host = new SimHost({ macAddress, addresses });
      fabric.attach(dpu, representor, host);
      for (const { ip } of addresses) {
        const key = `${port.metadata.tenant} ${ip}`;
        this.#holders.set(key, (this.#holders.get(key) ?? 0) + 1);
      }
      return [{ port, place: { dpu, representor }, host }];
    });
  }

  /** Who reaches another tenant, whatever happens; undefined: nobody. */
  trespass(count: Count): string | undefined {
    for (const [from, to] of this.#pairs()) {
      if (from.port.metadata.tenant === to.port.metadata.tenant) continue;
      for (const { ip } of to.port.status.addresses) {
        count('probe of another tenant');
        const { arrived } = this.#fabric.probe(from.host, { destination: ip, protocol: 'UDP', port: 9 });
        if (arrived) return `${from.port.metadata.name} reached ${ip} of another tenant`;
      }
    }
    return undefined;
  }

  /**
   * What some flows show that no policies allow that are stored, or that were and may be on the switches still; undefined:
   * nothing. Of those between pods of a tenant of which one at least is on the DPU (any, if absent), so many are drawn. What
   * is stored now allows many of them: of those most are left out, as they cannot show anything.
   */
  extraAllow(
    model: ModelHistory,
    random: SeededRandom,
    draws: number,
    count: Count,
    dpu?: string,
  ): string | undefined {
    const pairs = this.#neighbours().filter(
      ([from, to]) => dpu === undefined || from.place.dpu === dpu || to.place.dpu === dpu,
    );
    for (let draw = 0; draw < draws && pairs.length > 0; draw++) {
      const [from, to] = random.any(pairs);
      const flow: TriedFlow | undefined = random.any(flowsBetween(from, to));
      const isOneOfMany = random.chance(PROBED_THOUGH_ALLOWED);
      if (flow === undefined || this.#holders.get(`${to.port.metadata.tenant} ${flow.destination}`) !== 1)
        continue;
      const isAllowedNow =
        model.allowsNow(from.place, 'EGRESS', flow) && model.allowsNow(to.place, 'INGRESS', flow);
      if (isAllowedNow && !isOneOfMany) continue;
      const { arrived, path } = this.#probe(from, flow);
      if (!arrived) {
        count(isAllowedNow ? 'flow that is allowed, and does not pass' : 'flow that is denied');
        continue;
      }
      const opens = model.mayPass(from.place, 'EGRESS', flow);
      const accepts = model.mayPass(to.place, 'INGRESS', flow);
      if (opens !== 'never' && accepts !== 'never') {
        const isOld = opens === 'then' || accepts === 'then';
        count(isOld ? 'flow that only policies of before allow' : 'flow that is allowed');
      } else if (!model.isSure([from.place.dpu, to.place.dpu])) {
        count('flow by a switch that somebody has tampered with');
      } else {
        const why = [from, to].map(
          ({ place }) => `${place.dpu} is in one of ${model.spread(place.dpu)} states`,
        );
        return `${between(from, to, flow)} passes, sender: ${opens}, receiver: ${accepts}, ${why.join(', ')} (${way(path)})`;
      }
    }
    return undefined;
  }

  /** Where at rest ports of a tenant reach each other otherwise than the model says; undefined: nowhere. */
  misreach(model: ModelHistory, count: Count): string | undefined {
    for (const [from, to] of this.#neighbours()) {
      for (const flow of flowsBetween(from, to)) {
        const { tenant = '', name } = from.port.metadata;
        const explained = model.explained(tenant, name, flow);
        if (!explained.ok) return `${between(from, to, flow)}: ${explained.error.message}`;
        const { verdict, reason } = explained.value;
        count(`at rest ${verdict} ${reason}`);
        const { answered, path } = this.#probe(from, flow);
        if (answered === (verdict === 'ALLOWED')) continue;
        const does = answered ? 'passes' : 'does not pass';
        return `${between(from, to, flow)} ${does}, and is ${verdict} by the model, ${reason} (${way(path)})`;
      }
    }
    return undefined;
  }

  #probe({ host }: Pod, flow: TriedFlow): ProbeOutcome {
    return this.#fabric.probe(host, flow);
  }

  #neighbours(): (readonly [Pod, Pod])[] {
    return this.#pairs().filter(
      ([from, to]) => from !== to && from.port.metadata.tenant === to.port.metadata.tenant,
    );
  }

  #pairs(): (readonly [Pod, Pod])[] {
    return this.#pods.flatMap((from) => this.#pods.map((to) => [from, to] as const));
  }
}

/** Of the flows that are drawn and allowed. */
const PROBED_THOUGH_ALLOWED = 0.1;

const isV6 = (ip: string): boolean => ip.includes(':');

/** Everything that is tried between two pods. */
const flowsBetween = (from: Pod, to: Pod): TriedFlow[] =>
  to.port.status.addresses.flatMap(({ ip: destination }) =>
    from.port.status.addresses
      .filter(({ ip }) => isV6(ip) === isV6(destination))
      .flatMap(({ ip: source }) =>
        SERVICES.map((service) => ({
          source,
          destination,
          destinationMac: to.port.status.macAddress ?? '',
          ...service,
        })),
      ),
  );

const between = (from: Pod, to: Pod, { source, destination, protocol, port }: TriedFlow): string =>
  `${protocol} ${port} from ${from.port.metadata.name} at ${source} to ${to.port.metadata.name} at ${destination}`;

const way = (path: ProbeOutcome['path']): string =>
  path.map(({ dpu, inPort, flows }) => `${dpu} ${inPort}: ${flows.join(' ')}`).join('; ');
