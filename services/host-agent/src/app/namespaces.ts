import { statSync } from 'node:fs';
import { AppError } from '@outboard/core';
import { NetworkNamespace } from '@outboard/netlink';
import type { Attachment } from '../domain/attachment.js';
import { CNI_CODE, CniError } from '../domain/cni-error.js';

type Reference = Attachment['netns'];

/**
 * The network namespaces of pods. One that the agent holds open outlives its last process until the function in it was
 * taken out: the kernel would give a physical one back by itself, under whatever name is free, and destroy others.
 */
export class Namespaces {
  readonly #held = new Map<string, NetworkNamespace>();
  /** The agent's own. */
  readonly #ownInode: NetworkNamespace['inode'];

  constructor() {
    const own = NetworkNamespace.open('self');
    this.#ownInode = own.inode;
    own.close();
  }

  /** Opens the namespace of a call. Throws CniError 8. */
  open(path: string, allowOwn: boolean): NetworkNamespace {
    let namespace: NetworkNamespace;
    try {
      namespace = NetworkNamespace.open({ path });
    } catch (failure) {
      const text = `CNI_NETNS ${path} cannot be opened: ${AppError.from(failure).message}`;
      throw new CniError(CNI_CODE.INVALID_NAMESPACE, text, text);
    }
    if (namespace.inode !== this.#ownInode || allowOwn) return namespace;
    namespace.close();
    const text = `CNI_NETNS ${path} is the host's own network namespace`;
    throw new CniError(CNI_CODE.INVALID_NAMESPACE, text, text);
  }

  /** Keeps an open namespace for an attachment. */
  hold(key: string, namespace: NetworkNamespace): void {
    this.#held.get(key)?.close();
    this.#held.set(key, namespace);
  }

  /** The namespace of an attachment; undefined: it is gone. What is returned stays the agent's to close. */
  of(key: string, reference: Reference): NetworkNamespace | undefined {
    const held = this.#held.get(key);
    if (held !== undefined) return held;
    if (!isAlive(reference)) return undefined;
    try {
      const namespace = NetworkNamespace.open({ path: reference.path });
      this.#held.set(key, namespace);
      return namespace;
    } catch (failure) {
      if (failure instanceof AppError && failure.code === 'NOT_FOUND') return undefined;
      throw failure;
    }
  }

  release(key: string): void {
    this.#held.get(key)?.close();
    this.#held.delete(key);
  }

  close(): void {
    for (const namespace of this.#held.values()) namespace.close();
    this.#held.clear();
  }
}

/** Whether the path still leads to that namespace: whether its pod is there. */
export function isAlive({ path, inode }: Reference): boolean {
  try {
    return statSync(path).ino === inode;
  } catch {
    return false;
  }
}
