import { AppError, type Clock, equal, type Result } from '@outboard/core';
import type { Log } from '@outboard/service-shell/process';
import { type Configuration, type ConfigurationVersion, devicesOf, isSameVersion } from './configuration.js';
import type { NetworkJournal, NetworkState, PendingChange } from './network-state.js';
import { nextAction, type Wish } from './next-action.js';
import {
  affectedBy,
  type ChangePlan,
  type ObservedNetwork,
  type Originals,
  type PlanProblem,
  planChange,
  planRestore,
  type Step,
} from './plan-change.js';
import { byKey, textOf } from './settings.js';

/** The network of the DPU as its kernel has it. */
export interface UnderlayKernel {
  observe(): Promise<ObservedNetwork>;
  /** Carries out steps in this order up to the first that is refused. Rejects with what the kernel says of that one. */
  apply(steps: readonly Step[]): Promise<void>;
  /** Tells of what changes from outside, unavoidably also of our own. */
  watch(onChange: () => void, isOfInterest: (device: string) => boolean): Disposable;
}

/** Whether the control plane can be reached, by a connection that is made for the question. */
export interface ControlPlane {
  /** The answer belongs to this change. Ends early when the signal aborts. */
  confirm(change: ConfigurationVersion, signal: AbortSignal): Promise<Result<void, AppError>>;
}

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

/** What a look at a change that was made says of it. */
type Verdict =
  | { readonly kind: 'good' }
  | { readonly kind: 'bad'; readonly why: string }
  /** Neither yet. */
  | { readonly kind: 'open'; readonly why: string };

/** Looks at the kernel until everything is as planned: removing an address takes others and routes along. */
const MAX_ROUNDS = 4;
const CONFIRM_PAUSE_MILLISECONDS = 500;
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
    const failure = (await this.#make(configuration)) ?? (await this.#awaitConfirmation(configuration));
    if (failure === undefined) {
      await this.#confirm(configuration, plan.originals);
      this.ports.networkChanged?.();
      return;
    }
    log.error({ ...version }, `the network of this DPU is put back: ${failure}`);
    this.#state = refuse(this.#state, pending, failure);
    if (await this.#undo(pending)) this.#look();
  }

  /** Until the kernel shows all of it (`isPartial`: that can be); a text: why it does not. */
  async #make(configuration: Configuration, isPartial = false): Promise<string | undefined> {
    const { kernel } = this.ports;
    const originals = this.#originals;
    for (let round = 0; ; round++) {
      const { problem, steps } = planChange(await kernel.observe(), configuration, originals);
      if (problem !== undefined && !isPartial) return problem.message;
      const [first] = steps;
      if (first === undefined) return undefined;
      if (round === MAX_ROUNDS)
        return `${textOf(first.setting)} does not ${first.action === 'set' ? 'stay' : 'go'}`;
      try {
        await kernel.apply(steps);
      } catch (failure) {
        return AppError.from(failure).message;
      }
    }
  }

  /** Until the control plane has answered and the kernel still shows all of it; a text: why that was not so in time. */
  async #awaitConfirmation(configuration: Configuration): Promise<string | undefined> {
    const { confirmTimeoutSeconds } = configuration;
    const late = new AbortController();
    const alarm = this.ports.clock.schedule(confirmTimeoutSeconds * 1_000, () => late.abort());
    const signal = AbortSignal.any([this.#end.signal, late.signal]);
    let last: Verdict = { kind: 'open', why: 'there was no answer' };
    while (!signal.aborted && last.kind === 'open') {
      last = await this.#judge(configuration, signal);
      if (last.kind === 'open') await this.ports.clock.delay(CONFIRM_PAUSE_MILLISECONDS, signal);
    }
    alarm[Symbol.dispose]();
    if (last.kind === 'good') return undefined;
    if (last.kind === 'bad') return last.why;
    return this.#end.signal.aborted
      ? 'the worker was stopped before the change was confirmed'
      : `the control plane was not reached in ${confirmTimeoutSeconds} s: ${last.why}`;
  }

  async #judge(configuration: Configuration, signal: AbortSignal): Promise<Verdict> {
    const answer = await this.ports.controlPlane.confirm(configuration, signal);
    const observed = await this.ports.kernel.observe();
    const plan = planChange(observed, configuration, this.#originals);
    const [step] = plan.steps;
    if (plan.problem !== undefined) return { kind: 'bad', why: plan.problem.message };
    if (step !== undefined) return { kind: 'bad', why: `${textOf(step.setting)} did not last` };
    if (!answer.ok) return { kind: 'open', why: answer.error.message };
    return isSettled(plan, observed)
      ? { kind: 'good' }
      : { kind: 'open', why: 'addresses are still looked at for duplicates' };
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

  /** Puts back what was there before; false: not all of it, and it is tried again. */
  async #undo({ before, touched }: PendingChange): Promise<boolean> {
    const { kernel, log } = this.ports;
    let problem = '';
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const steps = planRestore(await kernel.observe(), byKey(before), touched);
      const [first] = steps;
      if (first === undefined) {
        const { pending: _, ...state } = this.#state;
        await this.#write(state);
        this.ports.networkChanged?.();
        return true;
      }
      problem = `${textOf(first.setting)} does not come back`;
      try {
        await kernel.apply(steps);
      } catch (failure) {
        problem = AppError.from(failure).message;
      }
    }
    log.error({}, `what was there before does not come back: ${problem}`);
    this.#tell({ kind: 'failed', message: `what was there before does not come back: ${problem}` });
    this.#lookAfter(RETRY_MILLISECONDS);
    return false;
  }

  /** Makes right again what differs from what was confirmed. `status`: of what is wanted, if that is all well. */
  async #keep(status: UnderlayStatus): Promise<void> {
    const { confirmed } = this.#state;
    if (confirmed === undefined) return this.#tell(status);
    const { kernel, log } = this.ports;
    const plan = planChange(await kernel.observe(), confirmed, this.#originals);
    const well = status.kind === 'applied' && plan.problem !== undefined ? statusOf(plan.problem) : status;
    const isNewBoot = Object.keys(this.#state.originals).length === 0;
    if (isNewBoot && plan.originals.size > 0)
      await this.#write({ ...this.#state, originals: Object.fromEntries(plan.originals) });
    if (plan.steps.length === 0) return this.#tell(well);
    const changes = plan.steps.map(({ setting }) => textOf(setting));
    log.warn({ changes }, 'the network of this DPU is put right');
    const failure = await this.#make(confirmed, true);
    if (failure !== undefined) this.#lookAfter(RETRY_MILLISECONDS);
    const isWell = failure === undefined || status.kind !== 'applied';
    this.#tell(isWell ? well : { kind: 'failed', message: failure }, isNewBoot ? 0 : changes.length);
  }

  get #originals(): Originals {
    return new Map(Object.entries(this.#state.originals));
  }

  /** Whose changes matter. */
  #devices(): readonly string[] {
    const wanted = this.#wish.kind === 'configuration' ? devicesOf(this.#wish.configuration) : [];
    return [...wanted, ...(this.#state.confirmed ? devicesOf(this.#state.confirmed) : [])];
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

/** No address is still looked at for duplicates. */
const isSettled = ({ goal }: ChangePlan, { settings }: ObservedNetwork): boolean =>
  [...goal.present.keys()].every((key) => {
    const setting = settings.get(key);
    return setting?.kind !== 'address' || setting.duplicates === undefined;
  });
