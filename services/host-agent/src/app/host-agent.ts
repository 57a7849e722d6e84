import { setMaxListeners } from 'node:events';
import { AppError } from '@outboard/core';
import type { NetworkNamespace } from '@outboard/netlink';
import { type Attachment, attachmentKey, keyOf } from '../domain/attachment.js';
import { CNI_CODE, CniError, toCniError } from '../domain/cni-error.js';
import type { AttachmentRequest } from '../domain/configuration.js';
import type { Invocation } from '../domain/invocation.js';
import type { JsonRecord } from '../domain/json.js';
import type { Connection } from '../domain/result.js';
import type { Tenancy } from '../domain/tenancy.js';
import { Attacher } from './attacher.js';
import { check } from './checker.js';
import { KeyLock } from './key-lock.js';
import { isAlive } from './namespaces.js';
import { hasInterface } from './pod-network.js';
import { type HostPorts, Releaser } from './releaser.js';

/** How long a DEL waits for the control plane before it leaves the port to reconciliation. */
const RELEASE_MILLISECONDS = 3_000;
/** The same when the agent ends, which it has four seconds for. */
const LAST_RELEASE_MILLISECONDS = 1_000;
/** How long a question of STATUS or CHECK may take. */
const QUESTION_MILLISECONDS = 3_000;

export interface HostAgentOptions {
  readonly tenancy: Tenancy;
  readonly addMilliseconds: number;
  readonly reconcileMilliseconds: number;
}

/** Connects the pods of one host to ports, and disconnects them; what the CNI's verbs ask for. */
export class HostAgent implements AsyncDisposable {
  readonly #lock = new KeyLock();
  readonly #attacher: Attacher;
  readonly #releaser: Releaser;
  #timer: Disposable | undefined;
  #reconciling: Promise<void> | undefined;
  readonly #end = new AbortController();

  constructor(
    readonly ports: HostPorts,
    private readonly options: HostAgentOptions,
  ) {
    // As many as wait for their ports.
    setMaxListeners(0, this.#end.signal);
    this.#attacher = new Attacher(ports);
    this.#releaser = new Releaser(ports);
    for (const attachment of ports.journal.values()) {
      ports.functions.hold(attachment.function, keyOf(attachment));
      // From now on a pod that ends does not take its function along.
      ports.namespaces.of(keyOf(attachment), attachment.netns);
    }
  }

  /** Reconciles at once and from now on. */
  start(): void {
    void this.reconcile();
  }

  /** ADD. Throws CniError; then nothing is left, or the journal has it. */
  add(invocation: Invocation, network: string, request: AttachmentRequest): Promise<Connection> {
    const key = attachmentKey(invocation.containerId, invocation.ifname);
    const deadline = this.ports.clock.monotonic() + this.options.addMilliseconds;
    return this.#lock.run(key, async () => {
      const before = this.ports.journal.get(key);
      if (before?.phase === 'attached') {
        const message = `container ${invocation.containerId} has ${invocation.ifname} already: port ${before.tenant}/${before.port}`;
        throw new CniError(CNI_CODE.ALREADY_ATTACHED, message);
      }
      if (before !== undefined) await this.#finishRelease(before);
      const tenant = this.options.tenancy.tenantOf(request.podNamespace, request.tenant);
      const namespace = this.ports.namespaces.open(invocation.netns, invocation.netnsOverride);
      try {
        const { containerId, ifname, netns } = invocation;
        requireFree(namespace, ifname);
        const attached = await this.#attacher.attach(
          { containerId, ifname, netns, network, namespace, tenant, request },
          this.#controlPlaneFor(invocation, request, deadline),
          deadline,
          this.#end.signal,
        );
        this.ports.namespaces.hold(key, namespace);
        return attached.connection as Connection;
      } catch (failure) {
        await this.#rollBack(key, namespace);
        if (failure instanceof AppError) throw CniError.from(failure, `attaching ${invocation.ifname}`);
        throw failure;
      }
    });
  }

  /** DEL: nothing is left when it returns, or only what reconciliation will do. What is not there is deleted. */
  async delete(key: string): Promise<void> {
    await this.#release(key);
  }

  /** CHECK. Throws CniError with every difference. */
  check(key: string, prevResult: JsonRecord): Promise<void> {
    return this.#lock.run(key, () => {
      const attachment = this.ports.journal.get(key);
      if (attachment === undefined) {
        throw new CniError(CNI_CODE.NOT_AS_ADDED, `there is no attachment ${key}`);
      }
      const controlPlane = this.ports.controlPlane.for({ timeoutMilliseconds: QUESTION_MILLISECONDS });
      return check(this.ports, attachment, prevResult, controlPlane);
    });
  }

  /** STATUS: whether an ADD can succeed. Throws CniError 50 with why not, or 51 where pods have lost their DPU as well. */
  async status(pool: string): Promise<void> {
    const { controlPlane, functions, journal } = this.ports;
    const notAvailable = (message: string): CniError => new CniError(CNI_CODE.NOT_AVAILABLE, message);
    const asked = controlPlane.for({ timeoutMilliseconds: QUESTION_MILLISECONDS });
    const [refreshed, answered] = await Promise.all([
      functions.refreshIfOld(),
      // A port that cannot exist: that it does not is an answer of the service that makes ports.
      asked.getPort('_', 'status'),
    ]);
    if (!refreshed.ok) throw notAvailable(`the admin service does not answer: ${refreshed.error.message}`);
    if (!answered.ok && ['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(answered.error.code)) {
      throw notAvailable(`the network-intent service does not answer: ${answered.error.message}`);
    }
    if (functions.free(pool) > 0) return;
    const isLimited = journal.values().some((each) => functions.isSilent(each.function.dpu));
    const code = isLimited ? CNI_CODE.NOT_AVAILABLE_AND_LIMITED : CNI_CODE.NOT_AVAILABLE;
    throw new CniError(code, functions.noneFree(pool));
  }

  /**
   * GC: what the runtime does not know of any more is released. Throws CniError with what could not be, 11 where the control
   * plane is only to be told later.
   */
  async collectGarbage(network: string, valid: ReadonlySet<string>): Promise<void> {
    const stale = this.ports.journal
      .values()
      .filter((each) => each.network === network && !valid.has(keyOf(each)));
    const left: CniError[] = [];
    await Promise.all(
      stale.map(async (each) => {
        const failure = await this.#release(keyOf(each)).catch(toCniError);
        if (failure instanceof CniError) left.push(failure);
        else if (failure !== undefined) left.push(CniError.from(failure, keyOf(each)));
      }),
    );
    await this.reconcile();
    if (left.length === 0) return;
    const lasting = left.find(({ code }) => code !== CNI_CODE.TRY_AGAIN_LATER);
    throw new CniError(
      lasting?.code ?? CNI_CODE.TRY_AGAIN_LATER,
      `${left.length} attachments are left: ${(lasting ?? left[0])?.message}`,
      left.map(({ message }) => message).join('\n'),
    );
  }

  /**
   * Releases what is left of pods that are gone and of calls that were cut short, and ports of this host that no
   * attachment is known for. One at a time; whoever asks meanwhile gets the same.
   */
  reconcile(): Promise<void> {
    this.#reconciling ??= this.#reconcile()
      .catch((failure) => this.ports.log.error({ err: AppError.from(failure) }, 'reconciliation failed'))
      .finally(() => {
        this.#reconciling = undefined;
        this.#schedule();
      });
    return this.#reconciling;
  }

  /** Calls that wait for a port are rolled back, the others are finished; then nothing begins any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    this.#timer?.[Symbol.dispose]();
    await this.#lock.idle();
    await this.#reconciling;
    this.ports.namespaces.close();
    this.ports.network.close();
  }

  get #patience(): number {
    return this.#end.signal.aborted ? LAST_RELEASE_MILLISECONDS : RELEASE_MILLISECONDS;
  }

  #schedule(): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#end.signal.aborted) return;
    this.#timer = this.ports.clock.schedule(this.options.reconcileMilliseconds, () => void this.reconcile());
  }

  async #reconcile(): Promise<void> {
    const { journal, log, functions, controlPlane, network } = this.ports;
    const refreshed = await functions.refresh();
    if (!refreshed.ok) log.warn({ err: refreshed.error }, 'the functions of this host are not known anew');
    for (const key of journal.values().map(keyOf)) {
      // As it is now: others may have been busy with it while the ones before were released.
      const attachment = journal.get(key);
      if (attachment === undefined || this.#lock.isHeld(key) || isWhole(attachment)) continue;
      const { phase, tenant, port } = attachment;
      log.info({ key, phase, port: `${tenant}/${port}` }, 'an attachment without a pod is released');
      await this.delete(key).catch((err) => log.error({ key, err }, 'an attachment cannot be released'));
    }
    const orphans = refreshed.ok ? await this.#releaser.orphans() : refreshed;
    if (!orphans.ok) return;
    for (const { tenant, name, function: identity } of orphans.value) {
      // One whose function is in some pod: the journal was lost, the pod was not.
      if (identity !== undefined && (await network.deviceOf(identity)) === undefined) {
        log.error(
          { port: `${tenant}/${name}` },
          'a pod is connected to a port that no attachment is known of',
        );
        continue;
      }
      const deleted = await controlPlane.deletePort(tenant, name);
      const facts = { port: `${tenant}/${name}`, ...(!deleted.ok && { err: deleted.error }) };
      log.warn(
        facts,
        `a port of this host without an attachment is ${deleted.ok ? 'deleted' : 'not deleted yet'}`,
      );
    }
  }

  /** What the control plane could not be told yet, if anything. */
  #release(key: string): Promise<AppError | undefined> {
    return this.#lock.run(key, async () => {
      const attachment = this.ports.journal.get(key);
      return attachment && this.#releaser.release(attachment, this.#patience);
    });
  }

  async #finishRelease(attachment: Attachment): Promise<void> {
    const pending = await this.#releaser.release(attachment, this.#patience);
    if (pending !== undefined) throw CniError.from(pending, 'finishing the release of the attempt before');
  }

  async #rollBack(key: string, namespace: NetworkNamespace): Promise<void> {
    const attachment = this.ports.journal.get(key);
    this.ports.namespaces.hold(key, namespace);
    try {
      if (attachment !== undefined) await this.#releaser.release(attachment, this.#patience);
    } catch (failure) {
      this.ports.log.error({ key, err: failure }, 'an attachment that failed is released later');
    } finally {
      if (this.ports.journal.get(key) === undefined) this.ports.namespaces.release(key);
    }
  }

  #controlPlaneFor(
    { traceparent }: Invocation,
    { podNamespace, podName }: AttachmentRequest,
    deadline: number,
  ) {
    const { controlPlane, host, clock } = this.ports;
    const pod = podName === undefined ? '' : ` for pod ${podNamespace ?? ''}/${podName}`;
    return controlPlane.for({
      timeoutMilliseconds: Math.max(1, deadline - clock.monotonic()),
      requestedBy: `host agent of ${host}${pod}`.replaceAll(/[^ -~]/g, '?').slice(0, 256),
      traceparent,
    });
  }
}

/** It is finished, and its pod is there. */
const isWhole = ({ phase, netns }: Attachment): boolean => phase === 'attached' && isAlive(netns);

function requireFree(namespace: NetworkNamespace, ifname: string): void {
  if (!hasInterface(namespace, ifname)) return;
  const message = `the pod has an interface ${ifname} already`;
  throw new CniError(CNI_CODE.ALREADY_ATTACHED, message, message);
}
