import { createHash, type KeyObject } from 'node:crypto';
import { AppError, type Random } from '@outboard/core';
import { generatedKeyBytes, keyLengthProblem } from '../engine/algorithms.js';
import {
  generatePrivateKey,
  open,
  privateKeyFrom,
  publicKeyFrom,
  rawPrivateKey,
  rawPublicKey,
  seal,
} from './hpke.js';
import { KeySlot } from './key-slot.js';
import type { KeyStorage } from './key-storage.js';
import { NonceLedger } from './nonce-ledger.js';
import type { KeyOffer } from './thread-keys.js';
import { keyInfo, type WantedKey, type WantedVersion } from './wanted-key.js';

const SEALING_KEY = 'sealing-key';

interface HeldVersion {
  readonly slot: KeySlot;
  /** Of what it was made from. */
  readonly fingerprint: string;
  /** Of its secret, where that was made here. */
  readonly made: string | undefined;
}

/** A secret that was made here, by what it can be recognised by. */
export interface GeneratedVersion {
  readonly keyUid: string;
  readonly version: number;
  /** Sixteen hexadecimal digits. */
  readonly fingerprint: string;
}

export interface AppliedKey {
  /** What threads are to be told. */
  readonly offer: KeyOffer;
  readonly problem: AppError | undefined;
  /** To be called when they were: what was active stays so until its successor can be used. */
  readonly settle: () => void;
}

export interface KeyStorePorts {
  readonly storage: KeyStorage;
  readonly random: Random;
}

/**
 * The keys of a worker. They come sealed to the worker's own key, or are made here; in clear they are nowhere but in their
 * slots, and on disk only sealed. One change at a time.
 */
export class KeyStore implements Disposable {
  readonly #keys = new Map<string, Map<number, HeldVersion>>();
  readonly #nonces: NonceLedger;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly sealingKey: KeyObject,
    private readonly ports: KeyStorePorts,
  ) {
    this.#nonces = new NonceLedger(ports.storage, ports.random);
  }

  /** With the sealing key of the last run, or a new one. */
  static async open(ports: KeyStorePorts): Promise<KeyStore> {
    const stored = await ports.storage.read(SEALING_KEY);
    if (stored !== undefined) return new KeyStore(privateKeyFrom(stored), ports);
    const sealingKey = generatePrivateKey();
    await ports.storage.write(SEALING_KEY, rawPrivateKey(sealingKey));
    return new KeyStore(sealingKey, ports);
  }

  /** X25519, 32 bytes: what keys are sealed to. */
  get publicKey(): Uint8Array {
    return rawPublicKey(this.sealingKey);
  }

  /**
   * Has a key as it is wanted; versions that are no longer wanted are zeroed at once. What cannot be opened is refused
   * (INVALID_ARGUMENT) with the others in place: the error names all such versions.
   */
  apply(wanted: WantedKey): Promise<AppliedKey> {
    return this.#inTurn(async () => {
      const held = this.#keys.get(wanted.keyUid) ?? new Map<number, HeldVersion>();
      this.#keys.set(wanted.keyUid, held);
      for (const version of [...held.keys()]) {
        if (!wanted.versions.some((each) => each.version === version))
          await this.#destroy(wanted.keyUid, held, version);
      }
      const violations: { field: string; description: string }[] = [];
      const former: KeySlot[] = [];
      for (const [index, version] of wanted.versions.entries()) {
        const description = await this.#applyVersion(wanted, version, held, former);
        if (description !== undefined) violations.push({ field: `versions[${index}]`, description });
      }
      const problem = violations.length > 0 ? AppError.invalid(violations) : undefined;
      const settle = (): void => {
        for (const slot of former) if (!slot.isDestroyed()) slot.state = 'DECRYPT_ONLY';
      };
      return { offer: this.#offerOf(wanted.keyUid), problem, settle };
    });
  }

  /** Zeroes all versions of a key. */
  remove(keyUid: string): Promise<KeyOffer> {
    // Before anything is waited for: revoked is revoked.
    for (const { slot } of this.#keys.get(keyUid)?.values() ?? []) slot.destroy();
    return this.#inTurn(async () => {
      const held = this.#keys.get(keyUid) ?? new Map<number, HeldVersion>();
      for (const version of [...held.keys()]) await this.#destroy(keyUid, held, version);
      this.#keys.delete(keyUid);
      return { keyUid, versions: [] };
    });
  }

  /** Reserves more nonces. */
  refill(keyUid: string, version: number): Promise<void> {
    return this.#inTurn(async () => {
      const slot = this.#keys.get(keyUid)?.get(version)?.slot;
      if (slot !== undefined) await this.#nonces.refill(nameOf(keyUid, version), slot);
    });
  }

  /** What threads are told of the keys that there are. */
  offers(): readonly KeyOffer[] {
    return [...this.#keys.keys()].map((keyUid) => this.#offerOf(keyUid));
  }

  /** The secrets that were made here and are in use. */
  generated(): readonly GeneratedVersion[] {
    return [...this.#keys].flatMap(([keyUid, held]) =>
      [...held].flatMap(([version, { made }]) =>
        made === undefined ? [] : [{ keyUid, version, fingerprint: made }],
      ),
    );
  }

  /** Zeroes everything in memory; what is on disk stays. */
  [Symbol.dispose](): void {
    for (const held of this.#keys.values()) for (const { slot } of held.values()) slot.destroy();
    this.#keys.clear();
  }

  /**
   * What is wrong with the version, in words.
   *
   * @param former gets the slot of one that was active and is to decrypt alone.
   */
  async #applyVersion(
    wanted: WantedKey,
    version: WantedVersion,
    held: Map<number, HeldVersion>,
    former: KeySlot[],
  ): Promise<string | undefined> {
    const fingerprint = fingerprintOf(version);
    const known = held.get(version.version);
    if (known?.fingerprint === fingerprint) {
      if (known.slot.state === 'ACTIVE' && version.state === 'DECRYPT_ONLY') former.push(known.slot);
      else known.slot.state = version.state;
      return undefined;
    }
    if (known !== undefined) await this.#destroy(wanted.keyUid, held, version.version);
    const plain = await this.#plainOf(wanted, version);
    if (plain === undefined) return 'cannot be opened: not sealed to this worker, for this key, or damaged';
    try {
      const problem = keyLengthProblem(wanted.algorithm, plain.length);
      if (problem !== undefined) return problem;
      const slot = KeySlot.create(plain.length, version.noncePrefix);
      slot.key.set(plain);
      await this.#nonces.open(nameOf(wanted.keyUid, version.version), slot, version.maximumJobs);
      slot.state = version.state;
      const made = version.sealed === undefined ? secretFingerprintOf(plain) : undefined;
      held.set(version.version, { slot, fingerprint, made });
      return undefined;
    } finally {
      plain.fill(0);
    }
  }

  async #plainOf(wanted: WantedKey, version: WantedVersion): Promise<Uint8Array | undefined> {
    const info = keyInfo(wanted, version.version);
    if (version.sealed !== undefined) return open(this.sealingKey, version.sealed, { info });
    const name = generatedName(wanted.keyUid, version.version);
    const stored = await this.ports.storage.read(name);
    if (stored !== undefined) {
      const sealed = { encapsulated: stored.subarray(0, 32), ciphertext: stored.subarray(32) };
      return open(this.sealingKey, sealed, { info });
    }
    // The only copy: whoever gets it wipes it.
    const key = this.ports.random.bytes(generatedKeyBytes(wanted.algorithm));
    const { encapsulated, ciphertext } = seal(publicKeyFrom(this.publicKey), key, { info });
    await this.ports.storage.write(name, Buffer.concat([encapsulated, ciphertext]));
    return key;
  }

  async #destroy(keyUid: string, held: Map<number, HeldVersion>, version: number): Promise<void> {
    held.get(version)?.slot.destroy();
    held.delete(version);
    await this.#nonces.forget(nameOf(keyUid, version));
    await this.ports.storage.remove(generatedName(keyUid, version));
  }

  #offerOf(keyUid: string): KeyOffer {
    const held = this.#keys.get(keyUid) ?? new Map<number, HeldVersion>();
    const versions = [...held].map(([version, { slot }]) => ({ version, memory: slot.memory }));
    return { keyUid, versions };
  }

  #inTurn<Value>(action: () => Promise<Value>): Promise<Value> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => {});
    return result;
  }
}

const nameOf = (keyUid: string, version: number): string => `${keyUid}.${version}`;
const generatedName = (keyUid: string, version: number): string => `generated.${nameOf(keyUid, version)}`;

/** Two wanted versions with the same one are the same key with the same nonces. */
function fingerprintOf({ sealed, noncePrefix, maximumJobs }: WantedVersion): string {
  const hash = createHash('sha256').update(`${noncePrefix} ${maximumJobs} `);
  if (sealed !== undefined) hash.update(sealed.encapsulated).update(sealed.ciphertext);
  return hash.digest('hex');
}

/** Secrets are random and at least 128 bits long: nobody finds one by this. */
const secretFingerprintOf = (secret: Uint8Array): string =>
  createHash('sha256')
    .update('outboard acceleration key fingerprint 1\n')
    .update(secret)
    .digest('hex')
    .slice(0, 16);
