import type {
  Change,
  DataplaneEngine,
  DiscoveredFunction,
  DocumentReport,
  DocumentUpdate,
  Driver,
  Spec,
  Underlay,
} from '@outboard/dataplane';

/** An engine that applies nothing and reports what the test says. */
export class FakeEngine implements Pick<DataplaneEngine, 'start' | 'submit' | 'onReport'>, AsyncDisposable {
  readonly submitted: DocumentUpdate[] = [];
  /** What the updates make, by owner. */
  readonly documents = new Map<string, Map<string, Uint8Array>>();
  readonly #listeners = new Set<(report: DocumentReport) => void>();
  isStarted = false;
  isDisposed = false;

  async start(): Promise<void> {
    this.isStarted = true;
  }

  submit(update: DocumentUpdate): void {
    this.submitted.push(update);
    const document = new Map(update.complete ?? this.documents.get(update.owner));
    for (const key of update.deletes ?? []) document.delete(key);
    for (const [key, object] of update.upserts ?? []) document.set(key, object);
    this.documents.set(update.owner, document);
  }

  onReport(listener: (report: DocumentReport) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  report(report: Partial<DocumentReport> & Pick<DocumentReport, 'version'>): void {
    const whole = { owner: 'network', problems: [], problemTotal: 0, repaired: 0, ...report };
    for (const listener of this.#listeners) listener(whole);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
  }
}

/** A driver that has what the test says. */
export class FakeDriver
  implements Pick<Driver<Spec>, 'name' | 'capabilities' | 'underlay' | 'functions' | 'watch'>
{
  readonly name = 'fake';
  readonly #watchers = new Set<(change: Change) => void>();
  discovered: DiscoveredFunction[] = [];
  tunnels: Underlay | undefined = { device: 'up0', address: '192.0.2.1', mtu: 1600 };
  /** Thrown by the next `functions()`. */
  failure: Error | undefined;

  capabilities = () => [{ name: 'vrf', available: false, reason: 'the kernel has no vrf' }];
  underlay = (): Underlay | undefined => this.tunnels;

  async functions(): Promise<readonly DiscoveredFunction[]> {
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
    return this.discovered;
  }

  watch(onChange: (change: Change) => void): Disposable {
    this.#watchers.add(onChange);
    return { [Symbol.dispose]: () => void this.#watchers.delete(onChange) };
  }

  tell(change: Change): void {
    for (const watcher of this.#watchers) watcher(change);
  }
}

export const virtualFunction = (vfNumber: number): DiscoveredFunction => ({
  flavour: 'PCI_VF',
  controller: 0,
  pfNumber: 0,
  vfNumber,
  external: true,
  pfMacAddress: '08:c0:eb:8a:d7:8a',
  hwAddress: '',
  netdev: `pf0vf${vfNumber}`,
  physPortName: `pf0vf${vfNumber}`,
  switchId: '',
  attachment: 'HOST',
  active: true,
  attached: false,
});
