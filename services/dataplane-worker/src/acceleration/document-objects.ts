import type { SessionGrant, WantedKey } from '@outboard/acceleration';
import type { AppError, Result } from '@outboard/core';
import { readObject, type WantedObject } from './wire.js';

type WantedSession = Extract<WantedObject, { kind: 'session' }>;

/** The objects of a document, and which sessions name which keys. */
export class DocumentObjects {
  readonly #bytes = new Map<string, Uint8Array>();
  readonly #objects = new Map<string, Result<WantedObject, AppError>>();
  /** By uid. */
  readonly #keys = new Map<string, WantedKey>();
  /** Keys of sessions by tenant and name. */
  readonly #sessions = new Map<string, string>();
  /** Keys of the sessions that name a key, by its uid. */
  readonly #users = new Map<string, Set<string>>();

  keys(): Iterable<string> {
    return this.#bytes.keys();
  }

  get(key: string): Result<WantedObject, AppError> | undefined {
    return this.#objects.get(key);
  }

  /** Of the session that an intent made under that name. */
  keyOf(session: { readonly tenant: string; readonly name: string }): string | undefined {
    return this.#sessions.get(nameOf(session));
  }

  /** Takes an object over (undefined: it is gone); the keys of all objects that this may change something for. */
  set(key: string, bytes: Uint8Array | undefined): readonly string[] {
    const known = this.#bytes.get(key);
    if (bytes === undefined ? known === undefined : known !== undefined && Buffer.compare(known, bytes) === 0)
      return [];
    const touched = [key, ...this.#forget(key)];
    if (bytes === undefined) return touched;
    const object = readObject(bytes);
    this.#bytes.set(key, bytes);
    this.#objects.set(key, object);
    if (!object.ok) return touched;
    if (object.value.kind === 'key') {
      const { keyUid } = object.value.key;
      this.#keys.set(keyUid, object.value.key);
      return [...touched, ...(this.#users.get(keyUid) ?? [])];
    }
    this.#sessions.set(nameOf(object.value.source), key);
    for (const keyUid of keysOf(object.value.grant)) {
      const users = this.#users.get(keyUid) ?? new Set();
      this.#users.set(keyUid, users.add(key));
    }
    return touched;
  }

  /** Why a session must not be served: a key that is somebody else's, or for something else. */
  refusal({ tenant, grant }: WantedSession): string | undefined {
    for (const { steps } of grant.programs) {
      for (const { keyUid, algorithm } of steps) {
        const key = this.#keys.get(keyUid);
        if (key === undefined) continue;
        if (key.tenant !== tenant) return `key ${keyUid} is another tenant's`;
        if (key.sessionUid !== '' && key.sessionUid !== grant.sessionUid)
          return `key ${keyUid} is another session's`;
        if (key.algorithm !== algorithm) return `key ${keyUid} is for ${key.algorithm}, not ${algorithm}`;
      }
    }
    return undefined;
  }

  /** A key that a session names and that is not here: jobs that need it wait for nothing, they fail. */
  missingKey({ grant }: WantedSession): string | undefined {
    return keysOf(grant).find((keyUid) => !this.#keys.has(keyUid));
  }

  #forget(key: string): readonly string[] {
    const object = this.#objects.get(key);
    this.#bytes.delete(key);
    this.#objects.delete(key);
    if (!object?.ok) return [];
    if (object.value.kind === 'key') {
      const { keyUid } = object.value.key;
      this.#keys.delete(keyUid);
      return [...(this.#users.get(keyUid) ?? [])];
    }
    const name = nameOf(object.value.source);
    if (this.#sessions.get(name) === key) this.#sessions.delete(name);
    for (const keyUid of keysOf(object.value.grant)) {
      const users = this.#users.get(keyUid);
      users?.delete(key);
      if (users?.size === 0) this.#users.delete(keyUid);
    }
    return [];
  }
}

const nameOf = ({ tenant, name }: { readonly tenant: string; readonly name: string }): string =>
  `${tenant}/${name}`;

const keysOf = ({ programs }: SessionGrant): string[] => [
  ...new Set(programs.flatMap(({ steps }) => steps.flatMap(({ keyUid }) => (keyUid === '' ? [] : [keyUid])))),
];
