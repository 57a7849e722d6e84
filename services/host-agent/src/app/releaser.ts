import { AppError, type Clock, equal, ok, type Result } from '@outboard/core';
import type { FunctionIdentity } from '@outboard/model';
import type { Log } from '@outboard/service-shell/process';
import { type Attachment, HOST_LABEL, keyOf, markOf } from '../domain/attachment.js';
import type { ControlPlane } from './control-plane.js';
import type { Functions } from './functions.js';
import type { HostNetwork } from './host-network.js';
import type { Journal } from './journal.js';
import type { Namespaces } from './namespaces.js';
import { takeBack } from './pod-network.js';

export interface HostPorts {
  readonly host: string;
  readonly controlPlane: ControlPlane;
  readonly functions: Functions;
  readonly network: HostNetwork;
  readonly namespaces: Namespaces;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Orphan {
  readonly tenant: string;
  readonly name: string;
  readonly function: FunctionIdentity | undefined;
}

/** Takes apart what an attachment consists of. Whatever is missing already is no error. */
export class Releaser {
  constructor(private readonly ports: HostPorts) {}

  /**
   * The function comes back to the host, the port goes, and the lease ends when both are done. Returns why the control
   * plane could not be told: that is left to the next reconciliation. Throws AppError INTERNAL where the kernel refuses
   * to give the device back.
   */
  async release(attachment: Attachment, timeoutMilliseconds: number): Promise<AppError | undefined> {
    const { journal, functions, namespaces, log } = this.ports;
    const key = keyOf(attachment);
    const { tenant, port } = attachment;
    if (attachment.phase !== 'releasing') this.#note({ ...attachment, phase: 'releasing' });
    // At the same time: the device has to wait for the kernel, the port for the bus. The port's gate closes for a
    // device that is down or gone, whichever is first.
    const [returned, disconnected] = await Promise.allSettled([
      this.#returnDevice(key, attachment),
      this.#disconnect(attachment, timeoutMilliseconds),
    ]);
    if (returned.status === 'rejected') throw AppError.from(returned.reason);
    namespaces.release(key);
    if (disconnected.status === 'rejected') throw AppError.from(disconnected.reason);
    if (!disconnected.value.ok) {
      const { error } = disconnected.value;
      log.warn({ key, port: `${tenant}/${port}`, err: error }, 'a port is to be deleted later');
      return error;
    }
    journal.remove(key);
    functions.release(attachment.function, key, `${tenant}/${port}`);
    return undefined;
  }

  /** A full disk does not keep pods: what it would have told is needed only if the agent dies meanwhile. */
  #note(attachment: Attachment): void {
    try {
      this.ports.journal.write(attachment);
    } catch (failure) {
      this.ports.log.error({ key: keyOf(attachment), err: failure }, 'the journal cannot be written');
    }
  }

  async #returnDevice(
    key: string,
    { netns, ifname, phase, device, function: leased }: Attachment,
  ): Promise<void> {
    const { namespaces, network } = this.ports;
    const namespace = namespaces.of(key, netns);
    if (namespace !== undefined) {
      const identity = { ifname, mark: markOf(key), byName: phase === 'attached' };
      if (await takeBack(namespace, identity, device)) return;
    }
    // It never left, or the kernel has given it back with the namespace, as it was in the pod.
    const found = await network.deviceOf(leased);
    if (found === undefined) {
      this.ports.log.warn(
        { key, function: leased.name },
        'the device of a function is nowhere: it went with its pod',
      );
      return;
    }
    const { ifname: name, address, mtu, mark } = found;
    const isAsBefore = equal({ ifname: name, address, mtu }, device) && mark === '';
    if (!isAsBefore) await network.restore(found, device);
  }

  /** A port that was there before only loses the function that it got here. */
  async #disconnect(
    { tenant, port, made, function: leased }: Attachment,
    timeoutMilliseconds: number,
  ): Promise<Result<void, AppError>> {
    const controlPlane = this.ports.controlPlane.for({ timeoutMilliseconds });
    switch (made) {
      case 'port': {
        const deleted = await controlPlane.deletePort(tenant, port);
        if (deleted.ok || deleted.error.reason !== 'IN_USE') return deleted;
        // Somebody refers to it: it stays, as an orphan, until nobody does. Its function is free at once.
        return controlPlane.unbindPort(tenant, port, leased);
      }
      case 'binding':
        return controlPlane.unbindPort(tenant, port, leased);
      case 'nothing':
        return ok(undefined);
    }
  }

  /** Ports that this host's agent has made and has no attachment for: of a journal that was lost. */
  async orphans(): Promise<Result<readonly Orphan[], AppError>> {
    const { controlPlane, host, journal } = this.ports;
    const labelSelector = `${HOST_LABEL}=${host}`;
    const listed = await controlPlane.list('Port', '_', { labelSelector });
    if (!listed.ok) return listed;
    const known = new Set(journal.values().map(({ tenant, port }) => `${tenant}/${port}`));
    const orphans = listed.value.flatMap(({ metadata: { tenant, name }, spec }) =>
      known.has(`${tenant}/${name}`) ? [] : [{ tenant, name, function: spec.function }],
    );
    return ok(orphans);
  }
}
