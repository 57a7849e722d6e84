import { AppError, type Clock, err, ok, type Result } from '@outboard/core';
import {
  type Dpu,
  type DpuFunction,
  type FunctionIdentity,
  findCondition,
  functionIdentityKey,
  isSchedulable,
  type Name,
} from '@outboard/model';
import type { LeasableFunction } from '../domain/attachment.js';
import type { ControlPlane } from './control-plane.js';
import type { HostNetwork } from './host-network.js';

/** Between two listings that somebody asked for because he found nothing. */
const MINIMUM_PAUSE_MILLISECONDS = 1_000;
/** Names of ports that let go of their functions and whose claims may still be shown. */
const MAX_RELEASED = 4_096;

interface KnownFunction extends LeasableFunction {
  readonly pool: Name;
  /** Pods are not given physical functions unless they ask for one by its device. */
  readonly physical: boolean;
  /** `tenant/name` of the port that has bound it, as far as admin knows. */
  readonly claim: string | undefined;
  /** Its DPU reports, and takes new ports. */
  readonly healthy: boolean;
}

/** The functions of this host's DPUs, as admin last told them, and which of them are leased here. */
export class Functions {
  #known: readonly KnownFunction[] = [];
  /** Of this host: `dpu-1`, `dpu-1 does not report`, or `dpu-1 takes no new ports`. */
  #dpus: readonly string[] = [];
  /** Names of those of them that do not report. */
  #silent: ReadonlySet<string> = new Set();
  /** By name: who has it. */
  readonly #leases = new Map<string, string>();
  /** Names of those that could not be had although they are listed as free. Tried again after the next listing. */
  readonly #unusable = new Set<string>();
  readonly #released = new Set<string>();
  #refreshed = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<Result<void, AppError>> | undefined;

  constructor(
    private readonly controlPlane: ControlPlane,
    private readonly host: string,
    private readonly network: HostNetwork,
    private readonly clock: Clock,
  ) {}

  /** Lists them again; whoever asks meanwhile gets the same answer. */
  refresh(): Promise<Result<void, AppError>> {
    this.#refreshing ??= this.#list().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** Again only if that has not just been done. */
  async refreshIfOld(): Promise<Result<void, AppError>> {
    return this.#wait > 0 ? ok(undefined) : this.refresh();
  }

  /** Once more, as soon as that may be: for who has found nothing. */
  async refreshSoon(): Promise<Result<void, AppError>> {
    await this.clock.delay(this.#wait);
    return this.refreshIfOld();
  }

  /** Why there is none to be had. */
  noneFree(pool: string): string {
    const dpus = this.#dpus.join(', ') || 'none';
    return `no free function in pool ${pool} of host ${this.host}; DPUs that say that they are in it: ${dpus}`;
  }

  /** How many of a pool nobody has, and a DPU that reports. */
  free(pool: string): number {
    return this.#candidates(pool).length;
  }

  /** A DPU that does not report: pods on it may be cut off. */
  isSilent(dpu: string): boolean {
    return this.#silent.has(dpu);
  }

  /** Leases one that nobody has, of the DPU with most left. Undefined: there is none. */
  lease(pool: string, holder: string): LeasableFunction | undefined {
    const candidates = this.#candidates(pool);
    const left = new Map<string, number>();
    for (const { dpu } of candidates) left.set(dpu, (left.get(dpu) ?? 0) + 1);
    const [best] = candidates.sort(
      (one, other) =>
        (left.get(other.dpu) ?? 0) - (left.get(one.dpu) ?? 0) || (one.vfNumber ?? 0) - (other.vfNumber ?? 0),
    );
    if (best !== undefined) this.#leases.set(best.name, holder);
    return best && functionOf(best);
  }

  /** Leases the one that is asked for: by its name, or by what the host calls its device. */
  leaseDevice(deviceId: string, holder: string): Result<LeasableFunction, AppError> {
    const identity = this.network.identify(deviceId);
    const wanted = this.#known.find((each) =>
      identity === undefined
        ? each.name === deviceId
        : each.pfMacAddress === identity.pfMacAddress && each.vfNumber === identity.vfNumber,
    );
    if (wanted === undefined) {
      const message = `no DPU of host ${this.host} has a function ${deviceId}`;
      return err(new AppError('NOT_FOUND', message, { reason: 'FUNCTION_NOT_FOUND' }));
    }
    return this.#leaseNamed(wanted.name, holder);
  }

  /** Leases the function that a port names already. */
  leaseIdentity(identity: FunctionIdentity, holder: string): Result<LeasableFunction, AppError> {
    const key = functionIdentityKey(identity);
    const wanted = this.#known.find((each) => functionIdentityKey(each) === key);
    if (wanted !== undefined) return this.#leaseNamed(wanted.name, holder);
    const which = `${identity.serialNumber} ${identity.pfMacAddress} VF ${identity.vfNumber ?? '-'}`;
    const message = `function ${which} is not of host ${this.host}`;
    return err(new AppError('FAILED_PRECONDITION', message, { reason: 'FUNCTION_OF_OTHER_HOST' }));
  }

  /** Takes over a lease of before a restart. */
  hold({ name }: LeasableFunction, holder: string): void {
    this.#leases.set(name, holder);
  }

  /** Gives up a lease of what somebody else has, or the host does not. */
  reject(leased: LeasableFunction, holder: string): void {
    this.#unusable.add(leased.name);
    this.release(leased, holder);
  }

  /** Gives up a lease. `port`: whose claim admin may still show for a while. */
  release({ name }: LeasableFunction, holder: string, port?: string): void {
    if (this.#leases.get(name) !== holder) return;
    this.#leases.delete(name);
    if (port === undefined) return;
    this.#released.add(port);
    if (this.#released.size <= MAX_RELEASED) return;
    for (const oldest of this.#released) {
      this.#released.delete(oldest);
      break;
    }
  }

  #leaseNamed(name: string, holder: string): Result<LeasableFunction, AppError> {
    const wanted = this.#known.find((each) => each.name === name);
    const other = this.#leases.get(name);
    if (wanted === undefined || (other !== undefined && other !== holder)) {
      const message =
        wanted === undefined ? `there is no function ${name}` : `function ${name} is used by ${other}`;
      return err(new AppError('FAILED_PRECONDITION', message, { reason: 'FUNCTION_IN_USE' }));
    }
    this.#leases.set(name, holder);
    return ok(functionOf(wanted));
  }

  #candidates(pool: string): KnownFunction[] {
    return this.#known.filter(
      (each) =>
        each.pool === pool &&
        each.healthy &&
        !each.physical &&
        !this.#leases.has(each.name) &&
        !this.#unusable.has(each.name) &&
        (each.claim === undefined || this.#released.has(each.claim)),
    );
  }

  /** Milliseconds until it may be listed again. */
  get #wait(): number {
    return Math.max(0, this.#refreshed + MINIMUM_PAUSE_MILLISECONDS - this.clock.monotonic());
  }

  async #list(): Promise<Result<void, AppError>> {
    const dpus = await this.controlPlane.list('Dpu', '_', { fieldSelector: `spec.host=${this.host}` });
    if (!dpus.ok) return dpus;
    const known: KnownFunction[] = [];
    for (const dpu of dpus.value) {
      const { metadata } = dpu;
      const healthy = obstacleOf(dpu) === undefined;
      const selector = { fieldSelector: `status.dpu=${metadata.name}` };
      const functions = await this.controlPlane.list('Function', '_', selector);
      if (!functions.ok) return functions;
      known.push(...functions.value.flatMap((each) => knownOf(each, healthy) ?? []));
    }
    await this.network.refresh();
    this.#known = known;
    this.#unusable.clear();
    this.#dpus = dpus.value.map((dpu) => [dpu.metadata.name, obstacleOf(dpu) ?? []].flat().join(' '));
    this.#silent = new Set(dpus.value.flatMap((dpu) => (isHealthy(dpu) ? [] : dpu.metadata.name)));
    this.#refreshed = this.clock.monotonic();
    return ok(undefined);
  }
}

const isHealthy = (dpu: Dpu): boolean => findCondition(dpu.status.conditions, 'Healthy')?.status === 'True';

/** Why pods are given no functions of a DPU. */
function obstacleOf(dpu: Dpu): string | undefined {
  if (!isHealthy(dpu)) return 'does not report';
  return isSchedulable(dpu) ? undefined : 'takes no new ports';
}

function knownOf({ metadata, spec, status }: DpuFunction, healthy: boolean): KnownFunction | undefined {
  const { dpu, serialNumber, pfMacAddress, vfNumber, attachment, claim, flavour } = status;
  const vanished = findCondition(status.conditions, 'Healthy')?.reason === 'FunctionVanished';
  if (dpu === undefined || serialNumber === undefined || pfMacAddress === undefined) return undefined;
  // Ports name functions by the numbers of VFs: others cannot be asked for yet.
  if (attachment !== 'HOST' || vanished || flavour === 'PCI_SF') return undefined;
  return {
    name: metadata.name,
    dpu,
    serialNumber,
    pfMacAddress,
    vfNumber,
    pool: spec.pool,
    physical: vfNumber === undefined,
    claim: claim && `${claim.tenant}/${claim.name}`,
    healthy,
  };
}

const functionOf = ({
  name,
  dpu,
  serialNumber,
  pfMacAddress,
  vfNumber,
}: KnownFunction): LeasableFunction => ({
  name,
  dpu,
  serialNumber,
  pfMacAddress,
  vfNumber,
});
