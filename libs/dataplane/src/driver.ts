import type { DataplaneObject } from '@outboard/contracts';

/**
 * The port of a dataplane: a kernel, a switch, a simulation. A driver only observes and applies. What is wanted, in
 * which order, whether it may be touched, when to try again and what to report is decided above it, in the engine.
 */
export interface Driver<S extends Spec> extends AsyncDisposable {
  /** `linux`, `memory`, ... */
  readonly name: string;
  /**
   * A neutral object in this driver's terms, from it, what it refers to, the capabilities and the underlay: no I/O and
   * no memory. `resolve` gives another neutral object of the documents by its key, `isUp` tells of the hops of service
   * chains; what depends on one refers to its `hopKey`. Throws AppError INVALID_ARGUMENT for an object that breaks a rule.
   */
  realise(key: string, object: DataplaneObject, resolve: Resolve, isUp: HopIsUp): Realisation<S>;
  /** Every kind of object it has, in the order in which they are created; they are removed in reverse. */
  readonly order: readonly S['kind'][];
  /**
   * Kinds that let traffic through: before one of them is made, what it needs was read back. Whatever else is built upon
   * something needs it applied, and is read back with it. Absent: every kind.
   */
  readonly readBackBefore?: ReadonlySet<S['kind']>;
  /** Kinds that follow each other in `order` and are best made in one call, whichever of them needs which. */
  readonly together?: readonly ReadonlySet<S['kind']>[];
  /**
   * Kinds whose operations in one call are one step for packets: all of them are done, or none, where one fails. Absent:
   * each is done by itself.
   */
  readonly atOnce?: ReadonlySet<S['kind']>;
  /** Of those, kinds that others rely on as a whole (`partOf`): they go in the same step in which others come and change. */
  readonly parts?: ReadonlySet<S['kind']>;
  /** Kinds whose removal takes long: they are removed when nothing urgent waits, many at a time. */
  readonly slowToRemove: ReadonlySet<S['kind']>;
  /** Kinds that the driver itself has, in this process: they go with it, and nobody else changes them. Absent: none. */
  readonly inProcess?: ReadonlySet<S['kind']>;
  /** What can be looked at by itself; absent: only everything. */
  readonly sections?: Sections;
  /** How its objects are shown to people; absent: by their own kinds and fields. */
  readonly view?: DriverView<S>;
  /** What was probed on this machine, available or not, each with its reason. */
  capabilities(): readonly Capability[];
  /** Where tunnels leave the DPU; undefined while there is no such device or address. */
  underlay(): Underlay | undefined;
  /** The devices that lead out of the DPU. A change is told by `watch` as one of functions. Absent: it knows of none. */
  uplinks?(): readonly Uplink[];
  /** The functions whose representors are here now. A change is told by `watch`. */
  functions(): Promise<readonly DiscoveredFunction[]>;
  /**
   * What is there: for `all`, everything that carries our mark and everything foreign that stands where we might put
   * something; for `section`, the part of it that is in that one; for `keys`, at least these, where a key without an answer means absent. What happened before is told
   * to the watchers before it returns its promise. Rejects when it cannot look.
   */
  observe(scope: Scope<S>): Promise<readonly ObservedObject<S>[]>;
  /** Carries out operations in this order, as far as each can be; one result per operation, at the same index. */
  apply(operations: readonly Operation<S>[]): Promise<readonly OperationResult[]>;
  /** These will be created shortly, unless something comes between. What changes nothing yet may begin. Never throws. */
  prepare?(objects: readonly DriverObject<S>[]): void;
  /** What the rules of policies have decided on since they have their names. Rejects when it cannot look. */
  ruleCounters(): Promise<readonly RuleCounter[]>;
  /** Tells about changes from outside and, unavoidably, about our own. Disposing ends it. */
  watch(onChange: (change: Change) => void): Disposable;
}

/** Objects of a driver as its dataplane itself names them. */
export interface DriverView<S extends Spec> {
  /** `link`, `route`, ...: several kinds may be of one type. */
  typeOf(kind: S['kind']): string;
  attributesOf(spec: S): NetlinkAttributes;
  /** Whether objects of the kind decide where packets go, so that hardware may take them over. */
  forwards(kind: S['kind']): boolean;
}

/** Plain JSON. */
export type NetlinkAttributes = Readonly<Record<string, unknown>>;

/** Plain data that describes one object; only fields that we set. Compared field by field (`satisfies`). */
export interface Spec {
  readonly kind: string;
}

/** One object of a dataplane, as it is wanted. */
export interface DriverObject<S extends Spec> {
  /** Identity within the DPU, `<kind>/...`. Whatever cannot be changed in place is part of it where possible. */
  readonly key: string;
  readonly spec: S;
  /** Keys of what must be there, as it is wanted, before it. */
  readonly after: readonly string[];
  /** Keys of what must exist, in whatever state. */
  readonly requires?: readonly string[];
  /** The object with which it comes and goes: it is not removed on its own when that one is removed too. */
  readonly within?: string;
  /** Something that others rely on as a whole, by any name. */
  readonly partOf?: string;
  /** Absent: it is what it is, whatever is part of what. */
  readonly closed?: Closed<S>;
  /** A guess: any other claim on the key goes first, and of several guesses that differ none is wanted. */
  readonly guess?: true;
}

/**
 * An object that could let something through while not all is there that it relies on: a rule that denies a group, as long as
 * a member is missing in the kernel.
 */
export interface Closed<S extends Spec> {
  /** What it relies on as a whole. */
  readonly without: readonly string[];
  /** What it is like while a part of one of these cannot be made: it lets through no more than with all of them. */
  readonly spec: S;
}

export interface ObservedObject<S extends Spec> {
  readonly key: string;
  readonly spec: S;
  readonly ownership: Ownership;
  readonly within?: string;
  /** The dataplane tells that hardware has taken it over. */
  readonly inHardware?: true;
}

/**
 * `owned`: carries our mark (`owner` where the mark names it). `free`: nobody's, so that it may be borrowed: a
 * representor. `foreign`: stands where ours should, and is never touched.
 */
export type Ownership =
  | { readonly kind: 'owned'; readonly owner?: string }
  | { readonly kind: 'free' }
  | { readonly kind: 'foreign'; readonly found: string };

/** Everything there is, in parts: each has a share of the keys, which are in no other. */
export interface Sections {
  /** In the order in which they are best looked at. */
  readonly names: readonly string[];
  /** Where an object of that key is looked at; undefined: nowhere, as there are no such keys. */
  of(key: string): string | undefined;
}

export type Scope<S extends Spec> =
  | { readonly kind: 'all' }
  | { readonly kind: 'section'; readonly section: string }
  | {
      readonly kind: 'keys';
      readonly keys: readonly string[];
      /**
       * What is expected under each of the keys, at the same index. A hint: of an object of ours that is just so the driver
       * may give back the very spec, and so spare itself the reading and everybody the comparing. Absent: nothing.
       */
      readonly expected?: Expected<S>;
    };

/** Undefined for keys under which nothing is expected. */
export type Expected<S extends Spec> = readonly (DriverObject<S> | undefined)[];

export type Operation<S extends Spec> =
  /** Creates; meets something of ours: makes it so; meets something foreign: says so. */
  | { readonly action: 'create'; readonly object: DriverObject<S>; readonly mark: Mark }
  /** Changes what is there in place; where the kernel cannot do that, removes and creates. */
  | { readonly action: 'update'; readonly object: DriverObject<S>; readonly mark: Mark; readonly observed: S }
  /** Removes what was observed. Removing the absent is success. */
  | { readonly action: 'delete'; readonly key: string; readonly observed: S };

/** Who wants an object: written onto it where the dataplane has room for it. */
export interface Mark {
  readonly owner: string;
  /** Key of the neutral object. */
  readonly key: string;
}

export type OperationResult =
  | { readonly kind: 'done' }
  /** `dependency` is not there; a change of that key wakes whoever waits for it. */
  | { readonly kind: 'missing'; readonly dependency: string; readonly message: string }
  | { readonly kind: 'foreign'; readonly found: string }
  | { readonly kind: 'unsupported'; readonly why: string }
  /** Not done, because another operation of the same step (`atOnce`) was not. */
  | { readonly kind: 'again' }
  /** Passes by itself: busy, interrupted, out of buffers. */
  | { readonly kind: 'retry'; readonly error: OperationError }
  | { readonly kind: 'failed'; readonly error: OperationError };

export interface OperationError {
  /** The errno's name, `EINVAL`. */
  readonly code: string;
  /** What the dataplane said, in its words where it has any. */
  readonly message: string;
}

export type Change =
  /** `changed`: look again. `lost`: look again at whatever stands `after` them too, for it may have gone along. */
  | { readonly kind: 'objects'; readonly changed: readonly string[]; readonly lost: readonly string[] }
  /** Events were missed. */
  | { readonly kind: 'everything' }
  /** The list of functions is another, or that of uplinks. */
  | { readonly kind: 'functions' }
  /** The underlay is another: everything has to be realised again. */
  | { readonly kind: 'underlay' };

/** Of a rule, or of what nobody has allowed of a port; of a policy in several routers, one each. */
export interface RuleCounter {
  /** As `realise/policy-names.ts` makes it. */
  readonly name: string;
  /** As many times as they were judged, both ways. */
  readonly packets: bigint;
  readonly bytes: bigint;
}

export interface Capability {
  readonly name: string;
  readonly available: boolean;
  /** Why not; empty when available. */
  readonly reason: string;
}

export interface Underlay {
  readonly device: string;
  /** Source address of tunnels, IPv4 or IPv6. */
  readonly address: string;
  /** The device has a global IPv6 address. */
  readonly ipv6?: boolean;
  /** Bytes. */
  readonly mtu: number;
}

/** A network device that leads out of the DPU. */
export interface Uplink {
  readonly name: string;
  readonly macAddress: string;
  /** Bytes. */
  readonly mtu: number;
  /** Administratively. */
  readonly up: boolean;
  readonly carrier: boolean;
  /** 10^6 bits a second; 0: not known. */
  readonly speedMbps: number;
  /** As ethtool -i tells them; empty: its driver does not. */
  readonly driver: string;
  readonly firmwareVersion: string;
}

/** A function as devlink's ports describe it; the fields of `DiscoveredFunction` in outboard.dataplane.v1alpha1. */
export interface DiscoveredFunction {
  readonly flavour: 'PCI_PF' | 'PCI_VF' | 'PCI_SF' | 'VIRTUAL';
  readonly controller: number;
  readonly pfNumber: number;
  readonly vfNumber?: number;
  readonly sfNumber?: number;
  readonly external: boolean;
  /** MAC address of the physical function it belongs to, as the host sees it; empty if unknown. */
  readonly pfMacAddress: string;
  readonly hwAddress: string;
  /** Name of the representor. */
  readonly netdev: string;
  readonly physPortName: string;
  readonly switchId: string;
  readonly attachment: 'HOST' | 'DPU';
  /** The representor is administratively up. */
  readonly active: boolean;
  /** Its other end has a carrier: the host uses it. */
  readonly attached: boolean;
}

export type Resolve = (key: string) => DataplaneObject | undefined;

/** Whether the hop of a service chain that has the port works. */
export type HopIsUp = (portUid: string) => boolean;

/** A neutral object in terms of a driver. `references`: the neutral keys that were resolved, found or not. */
export type Realisation<S extends Spec> = { readonly references: readonly string[] } & (
  | { readonly kind: 'realised'; readonly objects: readonly DriverObject<S>[] }
  /** Needs another neutral object first. */
  | { readonly kind: 'missing'; readonly dependency: string }
  /** Cannot be had on this DPU. */
  | { readonly kind: 'unsupported'; readonly why: string }
);
