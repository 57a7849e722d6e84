import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { AppError, type Clock, type Random } from '@outboard/core';
import { backoff } from '@outboard/reconcile';
import type { InterfaceDescription } from '../interfaces/description.js';
import { InterfaceClient } from '../interfaces/interface-client.js';
import { YangChecks } from '../interfaces/yang.js';
import type { WantedConfiguration } from '../workload.js';

const SOCKET = 'interfaces.sock';
/** How often is looked for a socket of a program that has just been started, and later. */
const SOON_MILLISECONDS = 100;
const SOON_FOR_MILLISECONDS = 10_000;
const LATER_MILLISECONDS = 5_000;
const RETRY = { initial: 500, maximum: 30_000 };

/** An interface that is served now. */
export interface ServedInterface {
  readonly description: InterfaceDescription;
  readonly yangCheck: string;
}

export interface ConfigurationView {
  readonly uid: string;
  readonly generation: number;
  /** 0: none since it has started. */
  readonly appliedGeneration: number;
  readonly interfaceVersion: string;
  readonly state: 'PENDING' | 'APPLIED' | 'REFUSED';
  readonly message: string;
}

export interface PublishedInterfacesPorts {
  readonly directory: string;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly onChange: () => void;
}

/**
 * The interfaces of one workload while its program runs: found, checked, asked again now and then, and configured.
 * They end with the program, whatever it was called for.
 */
export class PublishedInterfaces implements Disposable {
  readonly client: InterfaceClient;
  readonly #socket: string;
  readonly #started: number;
  #served: readonly ServedInterface[] = [];
  #text = '';
  #problem = '';
  #failures = 0;
  #timer: Disposable | undefined;
  #closed = false;
  #configurations = new Map<string, WantedConfiguration>();
  readonly #views = new Map<string, ConfigurationView>();
  #configuring = false;
  #configureAgain = false;
  #inode: number | undefined;
  /** Counts the servers that were given up. */
  #withdrawals = 0;
  readonly #yangs = new YangChecks();

  constructor(private readonly ports: PublishedInterfacesPorts) {
    this.#socket = join(ports.directory, SOCKET);
    this.client = new InterfaceClient(this.#socket, ports.name);
    this.#started = ports.clock.monotonic();
    this.#lookAfter(0);
  }

  get served(): readonly ServedInterface[] {
    return this.#served;
  }

  /** Why what it serves is not published; empty: nothing is wrong, or it serves nothing. */
  get problem(): string {
    return this.#problem;
  }

  get hasSocket(): boolean {
    return inodeOf(this.#socket) !== undefined;
  }

  get configurations(): readonly ConfigurationView[] {
    return [...this.#configurations.values()].map(
      (wanted) => this.#views.get(wanted.uid) ?? pending(wanted, ''),
    );
  }

  find(name: string): InterfaceDescription | undefined {
    return this.#served.find(({ description }) => description.name === name)?.description;
  }

  /** All that it shall be configured as. */
  want(configurations: Iterable<WantedConfiguration>): void {
    this.#configurations = new Map([...configurations].map((each) => [each.uid, each]));
    for (const uid of this.#views.keys()) if (!this.#configurations.has(uid)) this.#views.delete(uid);
    void this.#configure();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
  }

  #lookAfter(milliseconds: number): void {
    if (this.#closed) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.ports.clock.schedule(milliseconds, () => void this.#look());
  }

  async #look(): Promise<void> {
    const isNew = this.ports.clock.monotonic() - this.#started < SOON_FOR_MILLISECONDS;
    const pause = isNew && this.#served.length === 0 ? SOON_MILLISECONDS : LATER_MILLISECONDS;
    const inode = inodeOf(this.#socket);
    if (inode === undefined && this.#served.length === 0) return this.#lookAfter(pause);
    // Another socket is another server, which was told nothing yet.
    if (this.#inode !== undefined && inode !== this.#inode) this.#withdraw('it serves another socket');
    this.#inode = inode;
    try {
      await this.#take(await this.client.discover());
      this.#failures = 0;
      this.#lookAfter(LATER_MILLISECONDS);
    } catch (failure) {
      const error = AppError.from(failure);
      // A program that has just made its socket may not listen yet.
      if (error.code === 'UNAVAILABLE' && isNew && this.#served.length === 0) return this.#lookAfter(pause);
      this.#failures++;
      this.#withdraw(messageOf(error));
      this.#lookAfter(backoff(RETRY, this.#failures, this.ports.random));
    }
    await this.#configure();
  }

  async #take(descriptions: readonly InterfaceDescription[]): Promise<void> {
    const served = await Promise.all(
      descriptions.map(async (description) => ({
        description,
        yangCheck: await this.#yangs.check(description.yang),
      })),
    );
    const text = JSON.stringify(served.map(({ description }) => plain(description)));
    if (this.#closed || (text === this.#text && this.#problem === '')) return;
    this.#text = text;
    this.#served = served;
    this.#problem = '';
    this.ports.onChange();
  }

  #withdraw(problem: string): void {
    if (this.#closed || (this.#served.length === 0 && problem === this.#problem)) return;
    this.#served = [];
    this.#text = '';
    this.#problem = problem;
    this.#withdrawals++;
    // What serves again may be another program: it is told everything again.
    this.#views.clear();
    this.ports.onChange();
  }

  async #configure(): Promise<void> {
    this.#configureAgain = true;
    if (this.#configuring) return;
    this.#configuring = true;
    let changed = false;
    while (this.#configureAgain && !this.#closed) {
      this.#configureAgain = false;
      for (const wanted of this.#configurations.values()) {
        if (this.#closed || this.#isSettled(wanted)) continue;
        const withdrawals = this.#withdrawals;
        const view = await this.#configureOne(wanted);
        // One that has come meanwhile does not know what the one before has answered to.
        if (withdrawals !== this.#withdrawals) {
          this.#configureAgain = true;
          continue;
        }
        changed ||= JSON.stringify(view) !== JSON.stringify(this.#views.get(wanted.uid));
        this.#views.set(wanted.uid, view);
      }
    }
    this.#configuring = false;
    if (changed && !this.#closed) this.ports.onChange();
  }

  /** The CNF has judged this generation, with the interface that it serves now. */
  #isSettled({ uid, generation, interface: name }: WantedConfiguration): boolean {
    const view = this.#views.get(uid);
    const version = this.find(name)?.version;
    return (
      view?.generation === generation &&
      view.state !== 'PENDING' &&
      version !== undefined &&
      view.interfaceVersion === version
    );
  }

  async #configureOne(wanted: WantedConfiguration): Promise<ConfigurationView> {
    const found = this.find(wanted.interface);
    const before = this.#views.get(wanted.uid);
    const last = { appliedGeneration: before?.appliedGeneration ?? 0 };
    if (found === undefined)
      return { ...pending(wanted, `${this.ports.name} does not publish ${wanted.interface}`), ...last };
    const interfaceVersion = found.version;
    const refusal = await this.client.configure(found, wanted.configuration);
    if (refusal === undefined)
      return {
        ...pending(wanted, ''),
        interfaceVersion,
        appliedGeneration: wanted.generation,
        state: 'APPLIED',
      };
    const message = messageOf(refusal);
    // What it did not answer to is tried again; what it has judged is not.
    const isJudged = !['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'INTERNAL'].includes(
      refusal.code,
    );
    return {
      ...pending(wanted, message),
      ...last,
      interfaceVersion,
      state: isJudged ? 'REFUSED' : 'PENDING',
    };
  }
}

const pending = ({ uid, generation }: WantedConfiguration, message: string): ConfigurationView => ({
  uid,
  generation,
  appliedGeneration: 0,
  interfaceVersion: '',
  state: 'PENDING',
  message,
});

const MAX_MESSAGE = 1024;

const messageOf = ({ message, violations }: AppError): string =>
  (violations.length === 0
    ? message
    : `${message}: ${violations.map(({ field, description }) => `${field || 'it'} ${description}`).join('; ')}`
  ).slice(0, MAX_MESSAGE);

/** What of a description is data. */
const plain = ({ name, version, methods, configuration, yang }: InterfaceDescription) => ({
  name,
  version,
  methods: methods.map((method) => [method.name, method.request?.document, method.response?.document]),
  configuration: configuration?.document,
  yang,
});

const inodeOf = (path: string): number | undefined => lstatSync(path, { throwIfNoEntry: false })?.ino;
