import { AppError, type Clock, equal } from '@outboard/core';
import type { Log } from '@outboard/service-shell/process';
import { type Configuration, devicesOf, isSameVersion } from './configuration.js';
import type { NetworkJournal, NetworkState, PendingChange } from './network-state.js';
import { nextAction, type Wish } from './next-action.js';
import type { Originals, PlanProblem } from './observed-network.js';
import { affectedBy, type ChangePlan, devicesOfGoal, planChange } from './plan-change.js';
import { textOf } from './settings.js';
import { type ControlPlane, confirmation, make, putBack, type UnderlayKernel } from './underlay-change.js';

export interface UnderlayKeeperPorts {
  readonly incarnation: string;
  readonly kernel: UnderlayKernel;
  readonly journal: NetworkJournal;
  readonly controlPlane: ControlPlane;
  /** A change was made, or undone: connections that are older may be dead without knowing it. */
  readonly networkChanged?: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** How what is wanted stands. */
export type UnderlayStatus =
  | { readonly kind: 'applied' }
  /** Not come to yet, or not confirmed yet. */
  | { readonly kind: 'underWay' }
  /** Nothing was changed; what the message names is missing. */
  | { readonly kind: 'waiting'; readonly message: string }
  | { readonly kind: 'rolledBack'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

/** Before what waits, or could not be undone, is tried again though nothing was heard. */
const RETRY_MILLISECONDS = 5_000;
/** Changes of the kernel come in groups. */
const DEBOUNCE_MILLISECONDS = 100;

/**
 * Makes the network of a DPU what a configuration says, by commit-confirm: what there was is written down first, and
 * comes back unless the control plane has answered in time over a new connection, also when this process dies in
 * between. What was confirmed is kept so.
 */
export class UnderlayKeeper implements AsyncDisposable {
  #state: NetworkState;
  #wish: Wish = { kind: 'unknown' };
  #status: UnderlayStatus = { kind: 'applied' };
  #listener: (repaired: number) => void = () => {};
  #running: Promise<void> | undefined;
  #isDirty = false;
  /** Devices that what is in force stands on, named by it or not. */
  #involved: readonly string[] = [];
  #timer: { readonly due: number; readonly alarm: Disposable } | undefined;
  #watching: Disposable | undefined;
  readonly #end = new AbortController();

  private constructor(
    private readonly ports: UnderlayKeeperPorts,
    state: NetworkState,
  ) {
    this.#state = state;
  }

  /** Undoes what a former run left unconfirmed, and makes again what it has confirmed. */
  static async open(ports: UnderlayKeeperPorts): Promise<UnderlayKeeper> {
    const { incarnation } = ports;
    const found = await ports.journal.read();
    const keeper = new UnderlayKeeper(ports, found ?? { incarnation, originals: {} });
    await keeper.#recover();
    keeper.#watching = ports.kernel.watch(
      () => keeper.#lookAfter(DEBOUNCE_MILLISECONDS),
      (device) => keeper.#devices().includes(device),
    );
    keeper.#look();
    await keeper.#running;
    return keeper;
  }

  /** Of what is wanted, or of what is in force when nothing is. */
  get status(): UnderlayStatus {
    return this.#status;
  }

  /** Takes over what is wanted and returns at once. */
  want(wish: Wish): void {
    this.#wish = wish;
    const action = nextAction(this.#state, wish);
    if (action.kind === 'refused') this.#status = { kind: 'rolledBack', message: action.refusal.reason };
    else if (action.kind === 'change' || this.#status.kind !== 'applied') this.#status = { kind: 'underWay' };
    this.#look();
  }

  /** Called when `status` may be another, or settings were made right again after a change from outside. */
  onChange(listener: (repaired: number) => void): void {
    this.#listener = listener;
  }

  /** A change that is not confirmed yet is undone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    this.#watching?.[Symbol.dispose]();
    this.#timer?.alarm[Symbol.dispose]();
    await this.#running;
  }

  #look(): void {
    this.#isDirty = true;
    if (this.#end.signal.aborted) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#isDirty) this.#look();
    });
  }

  #lookAfter(milliseconds: number): void {
    const { clock } = this.ports;
    const due = clock.monotonic() + milliseconds;
    if (this.#end.signal.aborted || (this.#timer !== undefined && due >= this.#timer.due)) return;
    this.#timer?.alarm[Symbol.dispose]();
    const alarm = clock.schedule(milliseconds, () => {
      this.#timer = undefined;
      this.#look();
    });
    this.#timer = { due, alarm };
  }

  async #run(): Promise<void> {
    this.#isDirty = false;
    try {
      if (this.#state.pending !== undefined && !(await this.#undo(this.#state.pending))) return;
      const action = nextAction(this.#state, this.#wish);
      if (action.kind === 'change') return await this.#change(action.configuration);
      await this.#keep(
        action.kind === 'refused'
          ? { kind: 'rolledBack', message: action.refusal.reason }
          : { kind: 'applied' },
      );
    } catch (failure) {
      const { message } = AppError.from(failure);
      this.ports.log.error({ err: failure }, 'the network of this DPU cannot be looked after');
      this.#tell({ kind: 'failed', message });
      this.#lookAfter(RETRY_MILLISECONDS);
    }
  }

  async #recover(): Promise<void> {
    const { incarnation } = this.ports;
    const { pending } = this.#state;
    if (this.#state.incarnation === incarnation) {
      if (pending !== undefined)
        this.#state = refuse(this.#state, pending, 'the worker ended before the change was confirmed');
      return;
    }
    // All that was set has gone with the boot.
    const { pending: _, ...kept } = this.#state;
    const bare: NetworkState = { ...kept, incarnation, originals: {} };
    const reason = 'the DPU started anew before the change was confirmed';
    await this.#write(pending === undefined ? bare : refuse(bare, pending, reason));
  }

  async #change(configuration: Configuration): Promise<void> {
    const { kernel, controlPlane, log } = this.ports;
    const version = { uid: configuration.uid, generation: configuration.generation };
    const observed = await kernel.observe();
    const plan = planChange(observed, configuration, this.#originals);
    if (plan.problem !== undefined) return this.#keep(statusOf(plan.problem));
    if (plan.steps.length === 0) return this.#confirm(configuration, plan.originals);
    const reachable = await controlPlane.confirm(version, this.#end.signal);
    if (!reachable.ok) {
      await this.#keep({
        kind: 'waiting',
        message: `the control plane, which has to confirm a change, is not reached: ${reachable.error.message}`,
      });
      this.#lookAfter(RETRY_MILLISECONDS);
      return;
    }
    const touched = [...plan.goal.present.keys(), ...plan.goal.absent];
    const before = affectedBy(observed.settings, touched, plan.steps);
    const pending = { configuration, before, touched };
    await this.#write({ ...this.#state, pending });
    log.info({ ...version, steps: plan.steps.length }, 'the network of this DPU changes');
    const { signal } = this.#end;
    const failure =
      (await make(kernel, configuration, this.#originals)) ??
      (await confirmation(this.ports, configuration, this.#originals, signal));
    if (failure === undefined) {
      await this.#confirm(configuration, plan.originals);
      this.ports.networkChanged?.();
      return;
    }
    log.error({ ...version }, `the network of this DPU is put back: ${failure}`);
    this.#state = refuse(this.#state, pending, failure);
    if (await this.#undo(pending)) this.#look();
  }

  async #confirm(configuration: Configuration, originals: Originals): Promise<void> {
    const { pending: _, refused, confirmed: __, ...state } = this.#state;
    const isRelease = configuration.generation === 0;
    await this.#write({
      ...state,
      ...(refused && !isSameVersion(refused, configuration) && { refused }),
      ...(!isRelease && { confirmed: configuration }),
      originals: Object.fromEntries(originals),
    });
    this.ports.log.info(
      { uid: configuration.uid, generation: configuration.generation },
      'the network of this DPU is confirmed',
    );
    this.#tell({ kind: 'applied' });
    // Something else may be wanted meanwhile.
    this.#isDirty = true;
  }

  /** False: not all of it is back, and it is tried again. */
  async #undo(pending: PendingChange): Promise<boolean> {
    const failure = await putBack(this.ports.kernel, pending);
    if (failure !== undefined) {
      const message = `what was there before does not come back: ${failure}`;
      this.ports.log.error({}, message);
      this.#tell({ kind: 'failed', message });
      this.#lookAfter(RETRY_MILLISECONDS);
      return false;
    }
    const { pending: _, ...state } = this.#state;
    await this.#write(state);
    this.ports.networkChanged?.();
    return true;
  }

  /** Makes right again what differs from what was confirmed. `status`: of what is wanted, if that is all well. */
  async #keep(status: UnderlayStatus): Promise<void> {
    const { confirmed } = this.#state;
    if (confirmed === undefined) return this.#tell(status);
    const { kernel, log } = this.ports;
    const plan = planChange(await kernel.observe(), confirmed, this.#originals);
    const well = status.kind === 'applied' && plan.problem !== undefined ? statusOf(plan.problem) : status;
    this.#involved = devicesOfGoal(plan.goal);
    const isNewBoot = Object.keys(this.#state.originals).length === 0;
    await this.#remember(plan, isNewBoot);
    if (plan.steps.length === 0) return this.#tell(well);
    const changes = plan.steps.map(({ setting }) => textOf(setting));
    log.warn({ changes }, 'the network of this DPU is put right');
    const failure = await make(kernel, confirmed, this.#originals, { isPartial: true });
    if (failure !== undefined) this.#lookAfter(RETRY_MILLISECONDS);
    const isWell = failure === undefined || status.kind !== 'applied';
    this.#tell(isWell ? well : { kind: 'failed', message: failure }, isNewBoot ? 0 : changes.length);
  }

  /** What was there before of settings that could not be made until now; of a new boot, before all of them. */
  async #remember({ originals, goal }: ChangePlan, isNewBoot: boolean): Promise<void> {
    const known = this.#state.originals;
    const more = [...originals].filter(([key]) => !(key in known) && (isNewBoot || goal.present.has(key)));
    if (more.length === 0) return;
    await this.#write({ ...this.#state, originals: { ...known, ...Object.fromEntries(more) } });
  }

  get #originals(): Originals {
    return new Map(Object.entries(this.#state.originals));
  }

  /** Whose changes matter. */
  #devices(): readonly string[] {
    const wanted = this.#wish.kind === 'configuration' ? devicesOf(this.#wish.configuration) : [];
    const inForce = this.#state.confirmed ? devicesOf(this.#state.confirmed) : [];
    return [...wanted, ...inForce, ...this.#involved];
  }

  async #write(state: NetworkState): Promise<void> {
    await this.ports.journal.write(state);
    this.#state = state;
  }

  #tell(status: UnderlayStatus, repaired = 0): void {
    // What became true may not be what is wanted by now.
    const isOfPast = status.kind === 'applied' && nextAction(this.#state, this.#wish).kind !== 'keep';
    const before = this.#status;
    this.#status = isOfPast ? { kind: 'underWay' } : status;
    if (repaired > 0 || !equal(before, this.#status)) this.#listener(repaired);
  }
}

const refuse = (
  state: NetworkState,
  { configuration: { uid, generation } }: PendingChange,
  reason: string,
): NetworkState => ({ ...state, refused: { uid, generation, reason } });

const statusOf = ({ waits, message }: PlanProblem): UnderlayStatus =>
  waits ? { kind: 'waiting', message } : { kind: 'failed', message };
