import type { Api, ResourceAddress } from '@outboard/contracts';
import { type Condition, type ConditionUpdate, computeConditions } from './conditions.js';
import type { Kind } from './kind.js';
import { accelerationKeyKind } from './kinds/accelerationkey/kind.js';
import { accelerationProfileKind } from './kinds/accelerationprofile/kind.js';
import { accelerationQuotaKind } from './kinds/accelerationquota/kind.js';
import { accelerationSessionKind } from './kinds/accelerationsession/kind.js';
import { addressSetKind } from './kinds/addressset/kind.js';
import { dpuKind } from './kinds/dpu/kind.js';
import { dpuNetworkConfigurationKind } from './kinds/dpunetworkconfiguration/kind.js';
import { encapsulationPolicyKind } from './kinds/encapsulationpolicy/kind.js';
import { functionKind } from './kinds/function/kind.js';
import { functionPoolKind } from './kinds/functionpool/kind.js';
import { netlinkObjectKind } from './kinds/netlinkobject/kind.js';
import { networkKind } from './kinds/network/kind.js';
import { physicalNetworkKind } from './kinds/physicalnetwork/kind.js';
import { portKind } from './kinds/port/kind.js';
import { routerKind } from './kinds/router/kind.js';
import { securityPolicyKind } from './kinds/securitypolicy/kind.js';
import { serviceChainKind } from './kinds/servicechain/kind.js';
import { subnetKind } from './kinds/subnet/kind.js';
import { workloadKind } from './kinds/workload/kind.js';
import { workloadConfigurationKind } from './kinds/workloadconfiguration/kind.js';
import type { Intent } from './resource.js';

/** Every kind there is: adding one is a folder and a line. In the order in which one makes them. */
const DEFINITIONS = [
  dpuKind,
  dpuNetworkConfigurationKind,
  functionPoolKind,
  functionKind,
  physicalNetworkKind,
  encapsulationPolicyKind,
  routerKind,
  networkKind,
  subnetKind,
  addressSetKind,
  securityPolicyKind,
  portKind,
  netlinkObjectKind,
  serviceChainKind,
  workloadKind,
  workloadConfigurationKind,
  accelerationQuotaKind,
  accelerationProfileKind,
  accelerationKeyKind,
  accelerationSessionKind,
] as const;

type Definition = (typeof DEFINITIONS)[number];

export type KindName = Definition['kind'];

/** What is particular to that kind. */
export type DefinitionOf<Name extends KindName> = Extract<Definition, { readonly kind: Name }>;

/** The resource of that kind. */
export type ResourceOf<Name extends KindName> = Name extends KindName
  ? Parameters<DefinitionOf<Name>['indexes']>[0]
  : never;

/** The intent of that kind. */
export type IntentOf<Name extends KindName> = Name extends KindName
  ? Intent<Name, ResourceOf<Name>['spec']>
  : never;

export type AnyResource = ResourceOf<KindName>;
export type AnyIntent = IntentOf<KindName>;
/** Any kind, where only what all have in common matters. */
export type AnyKind = Kind<AnyResource>;

export const KINDS: readonly AnyKind[] = DEFINITIONS;
export const KIND_NAMES: readonly KindName[] = DEFINITIONS.map(({ kind }) => kind);

const BY_NAME: ReadonlyMap<string, AnyKind> = new Map(KINDS.map((kind) => [kind.kind, kind]));
const BY_TOKEN: ReadonlyMap<string, AnyKind> = new Map(KINDS.map((kind) => [kindToken(kind), kind]));

/** The kind that is called so (`Port`). */
export const findKind = (name: string): AnyKind | undefined => BY_NAME.get(name);

/** The kind that stands so in subjects (`port`). */
export const findKindByToken = (token: string): AnyKind | undefined => BY_TOKEN.get(token);

export function kindOf(resource: { readonly kind: KindName }): AnyKind {
  const kind = findKind(resource.kind);
  if (kind === undefined) throw new Error(`unknown kind ${resource.kind}`);
  return kind;
}

/** How a kind stands in subjects. */
export function kindToken(kind: { readonly kind: string }): string {
  return kind.kind.toLowerCase();
}

export const apiVersionOf = ({ api }: { readonly api: Api }): string => `${api}.outboard.dev/v1alpha1`;

/** What subjects a resource or intent has. */
export const addressOf = (resource: {
  readonly kind: KindName;
  readonly metadata: { readonly tenant: string; readonly name: string };
}): ResourceAddress => ({
  tenant: resource.metadata.tenant,
  api: kindOf(resource).api,
  kind: kindToken(resource),
  name: resource.metadata.name,
});

/** What may be set on a resource of that kind. */
export type ConditionUpdateOf<Name extends KindName> = ConditionUpdate<DefinitionOf<Name>['reasons']>;

/** The conditions of a resource after these updates (see `computeConditions`). Unknown reasons do not compile. */
export const updateConditions = <Name extends KindName>(
  kind: Name,
  before: readonly Condition[],
  updates: readonly ConditionUpdateOf<Name>[],
  observedGeneration: number,
  now: number,
): readonly Condition[] =>
  computeConditions(
    kindOf({ kind }).reasons,
    before,
    updates as Parameters<typeof computeConditions>[2],
    observedGeneration,
    now,
  );
