import { AppError, systemClock } from '@outboard/core';
import { isReady } from '@outboard/model';
import { fleetDpu } from './fleet.js';
import type { FleetClient } from './fleet-client.js';

/** DPUs of each network and its router, whatever the fleet's size: a change concerns as many. */
const SPAN = 10;
/** Functions of each DPU that are not for pods: two for a network over all, one for a lasting port of each churn. */
const LASTING = 4;
/** So that there is one for pods. */
export const MIN_CHURN_FUNCTIONS = LASTING + 1;
const RESIDENT: Readonly<Record<Reach, number>> = { ten: 2, all: 3 };
/** Of the lasting ports of churns. */
export const LASTING_LABELS = { fleet: 'all' };
/** Of so many changes, one is of a policy, an address set, or the labels of a port. */
const CHANGES_PER_POLICY = 5;

/** What a stretch of churn at one rate was like. */
export interface ChurnStep {
  /** Changes asked for a second: each a pod that comes and goes, or a change of policy. */
  readonly rate: number;
  readonly intents: number;
  /** Intents that were accepted a second, until the last change was applied. */
  readonly intentsPerSecond: number;
  /** Milliseconds from when a change was due to be published until its DPU, or all that it concerns, had applied it. */
  readonly pods: readonly number[];
  readonly policies: readonly number[];
  /** Why changes failed. */
  readonly failures: readonly string[];
}

export interface ChurnSorts {
  readonly pods: boolean;
  readonly policies: boolean;
  /** Ends it before its time: what was asked for is waited for. */
  readonly signal?: AbortSignal;
}

/** Which DPUs learn of a change: those of a router of ten DPUs, or all of them, as one router is everywhere. */
export type Reach = 'ten' | 'all';

/** Pods that come and go and policies that change, on networks that other ports are on already. */
export class Churn {
  readonly #networks: number;
  /** Begins the names of what this churn makes. */
  readonly #prefix: string;
  /** Free functions of each DPU, by its number. */
  readonly #free = new Map<number, number[]>();
  /** Lasting ports whose labels are the other ones now. */
  readonly #swapped = new Set<number>();
  #count = 0;
  #version = 0;
  #nextDpu = 0;
  #ended = 0;

  constructor(
    private readonly client: FleetClient,
    private readonly reach: Reach,
  ) {
    const { dpus, functions } = client.options;
    this.#prefix = `${reach}-`;
    this.#networks = Math.max(1, Math.floor(dpus / SPAN));
    for (const dpu of client.dpus)
      this.#free.set(
        dpu,
        Array.from({ length: functions - LASTING }, (_, index) => LASTING + index),
      );
  }

  /** Networks, their policies, and a port of each on all of its DPUs: one of a policy, or one that it lets in. */
  async prepare(): Promise<void> {
    const { client } = this;
    if (this.reach === 'all') await client.apply('Router', this.#routerOf(0), {});
    const networks = Array.from({ length: this.#networks }, (_, index) => index);
    await Promise.all(
      networks.map(async (index) => {
        const name = this.#network(index);
        const cidr = `10.${96 + (index >> 6)}.${(index & 63) << 2}.0/22`;
        if (this.reach === 'ten') await client.apply('Router', this.#routerOf(index), {});
        await client.apply('Network', name, { router: this.#routerOf(index) });
        await client.apply('Subnet', `${name}-v4`, { network: name, cidr });
        await this.#setAddresses(index);
        await this.#setPolicy(index);
      }),
    );
    const ports = [...this.#free.keys()].map(async (dpu) => {
      await this.#residentPort(dpu);
      await client.state.until('Port', client.named(this.#resident(dpu)), isEverywhere);
    });
    await Promise.all(ports);
  }

  /** Changes that were asked for, and that have ended. */
  get progress(): { readonly asked: number; readonly ended: number } {
    return { asked: this.#count, ended: this.#ended };
  }

  /** So many changes a second by a fixed schedule, whatever becomes of those before; resolves when all have ended. */
  async run(
    rate: number,
    seconds: number,
    { pods: hasPods, policies: hasPolicies, signal }: ChurnSorts = { pods: true, policies: true },
  ): Promise<ChurnStep> {
    const total = Math.round(rate * seconds);
    const started = performance.now();
    const pods: number[] = [];
    const policies: number[] = [];
    const failures: string[] = [];
    let intents = 0;
    const all: Promise<void>[] = [];
    for (let index = 0; index < total && !signal?.aborted; index++) {
      const due = started + (index * 1_000) / rate;
      const early = due - performance.now();
      if (early > 1) await systemClock.delay(early, signal);
      const number = ++this.#count;
      const isPolicy = hasPolicies && (!hasPods || number % CHANGES_PER_POLICY === 0);
      intents += isPolicy ? 1 : 2;
      const change = isPolicy
        ? this.#policy(Math.ceil(number / (hasPods ? CHANGES_PER_POLICY : 1)))
        : this.#pod(number);
      const ended = change.then(
        (applied) => {
          if (applied !== undefined) (isPolicy ? policies : pods).push(applied - due);
        },
        (failure: unknown) => void failures.push(AppError.from(failure).message),
      );
      all.push(ended.finally(() => void this.#ended++));
    }
    await Promise.all(all);
    const intentsPerSecond = intents / ((performance.now() - started) / 1_000);
    return { rate, intents, intentsPerSecond, pods, policies, failures };
  }

  /** Takes away everything that `prepare` has made. */
  async remove(): Promise<void> {
    const { client } = this;
    await Promise.all([...this.#free.keys()].map((dpu) => client.delete('Port', this.#resident(dpu))));
    await Promise.all(
      Array.from({ length: this.#networks }, async (_, index) => {
        const name = this.#network(index);
        await client.delete('SecurityPolicy', `${name}-policy`);
        await client.delete('AddressSet', `${name}-set`);
        await client.delete('Subnet', `${name}-v4`);
        await client.delete('Network', name);
        if (this.reach === 'ten') await client.delete('Router', this.#routerOf(index));
      }),
    );
    if (this.reach === 'all') await client.delete('Router', this.#routerOf(0));
  }

  /** Resolves when it has gone again, with the time at which it was ready. */
  async #pod(number: number): Promise<number> {
    const { client } = this;
    const name = `${this.#prefix}pod-${number}`;
    const [dpu, vf] = await this.#take();
    const network = this.#network(this.#networkOf(dpu));
    const labels = { net: network, app: number % 2 === 0 ? 'web' : 'client' };
    await client.apply('Port', name, onFunction(network, dpu, vf), labels);
    await client.state.until('Port', client.named(name), (port) => isReady(port?.status.conditions ?? []));
    const ready = performance.now();
    await client.delete('Port', name);
    this.#free.get(dpu)?.push(vf);
    return ready;
  }

  /** Address sets, policies, labels of lasting ports, in turn; undefined: nobody tells when labels are known everywhere. */
  async #policy(number: number): Promise<number | undefined> {
    const { client } = this;
    const index = number % this.#networks;
    switch (number % 3) {
      case 0: {
        const generation = await this.#setAddresses(index);
        await client.state.until(
          'AddressSet',
          client.named(`${this.#network(index)}-set`),
          hasApplied(generation),
        );
        return performance.now();
      }
      case 1: {
        const generation = await this.#setPolicy(index);
        await client.state.until(
          'SecurityPolicy',
          client.named(`${this.#network(index)}-policy`),
          hasApplied(generation),
        );
        return performance.now();
      }
      default: {
        const { first, dpus } = client.options;
        const dpu = first + (number % dpus);
        if (!this.#swapped.delete(dpu)) this.#swapped.add(dpu);
        await this.#residentPort(dpu);
        return undefined;
      }
    }
  }

  #setAddresses(index: number): Promise<number> {
    const version = ++this.#version;
    const addresses = [`198.18.${(version >> 8) & 0xff}.${version & 0xff}`];
    return this.client.apply('AddressSet', `${this.#network(index)}-set`, { addresses });
  }

  #setPolicy(index: number): Promise<number> {
    const net = this.#network(index);
    const port = 1_024 + (++this.#version % 60_000);
    return this.client.apply('SecurityPolicy', `${net}-policy`, {
      portSelector: { matchLabels: { net, app: 'web' } },
      ingress: [
        {
          name: 'clients',
          peers: [{ portSelector: { matchLabels: { net, app: 'client' } } }, { addressSet: `${net}-set` }],
          services: [{ protocol: 'TCP', port }],
        },
      ],
    });
  }

  /** Even and odd DPUs have ports of different sorts. */
  async #residentPort(dpu: number): Promise<void> {
    const net = this.#networkOf(dpu);
    const isWeb = (dpu % 2 === 0) !== this.#swapped.has(dpu);
    const labels = { ...LASTING_LABELS, net: this.#network(net), app: isWeb ? 'web' : 'client' };
    await this.client.apply(
      'Port',
      this.#resident(dpu),
      onFunction(this.#network(net), dpu, RESIDENT[this.reach]),
      labels,
    );
  }

  #resident(dpu: number): string {
    return `${this.#prefix}resident-${dpu}`;
  }

  #network(index: number): string {
    return `${this.#prefix}net-${index}`;
  }

  #routerOf(network: number): string {
    return this.reach === 'all' ? `${this.#prefix}router` : `${this.#prefix}router-${network}`;
  }

  #networkOf(dpu: number): number {
    return Math.floor((dpu - this.client.options.first) / SPAN) % this.#networks;
  }

  /** A function of the next DPU in turn that has one free; the wait for one is part of what a pod takes. */
  async #take(): Promise<readonly [dpu: number, vf: number]> {
    const { first, dpus } = this.client.options;
    for (;;) {
      for (let tried = 0; tried < dpus; tried++) {
        const dpu = first + (this.#nextDpu++ % dpus);
        const vf = this.#free.get(dpu)?.shift();
        if (vf !== undefined) return [dpu, vf];
      }
      await systemClock.delay(10);
    }
  }
}

/** A port's intent. */
export function onFunction(network: string, dpu: number, vfNumber: number): object {
  const { serialNumber, pfMacAddress } = fleetDpu(dpu);
  return {
    network,
    function: { serialNumber, pfMacAddress, vfNumber },
    addresses: [{ subnet: `${network}-v4` }],
  };
}

interface Propagating {
  readonly metadata: { readonly generation: number };
  readonly status: {
    readonly conditions: Parameters<typeof isReady>[0];
    readonly propagated: { readonly applied: number; readonly total: number } | undefined;
  };
}

/** Ready, and known to every DPU that it concerns. */
export function isEverywhere(resource: Propagating | undefined): boolean {
  const { applied = 0, total = 0 } = resource?.status.propagated ?? {};
  return resource !== undefined && isReady(resource.status.conditions) && applied === total;
}

export const hasApplied =
  (generation: number) =>
  (resource: Propagating | undefined): boolean =>
    (resource?.metadata.generation ?? 0) >= generation && isEverywhere(resource);
