import { meantBy } from '@outboard/contracts';
import { type AnyKind, KINDS, kindToken, parseName, type ResourceJson, SYSTEM_TENANT } from '@outboard/model';
import { usageError } from './failure.js';

/** Resources of one kind, by name; no names: all of the kind. */
export interface Selection {
  readonly kind: AnyKind;
  readonly names: readonly string[];
}

/** Which tenant a command is about. */
export interface Scope {
  readonly tenant: string | undefined;
  readonly allTenants: boolean;
}

export const pluralOf = (kind: AnyKind): string => `${kindToken(kind).replace(/(?<![aeiou])y$/, 'ie')}s`;

/** `port/web-0`, as people name a resource. */
export const nameOf = (kind: { readonly kind: string }, name: string): string => `${kindToken(kind)}/${name}`;

/** As `nameOf`, of a resource as it travels. */
export const nameOfResource = ({ kind, metadata }: ResourceJson): string =>
  nameOf({ kind }, String(metadata.name));

/** How people write a kind: `port`, `ports`, `Port`. */
export function kindByArgument(text: string): AnyKind {
  const lower = text.toLowerCase();
  const kind = KINDS.find((each) => lower === kindToken(each) || lower === pluralOf(each));
  if (kind) return kind;
  const known = KINDS.map(pluralOf);
  const meant = meantBy(text, known) ?? meantBy(text, KINDS.map(kindToken));
  const rule = meant === undefined ? `the kinds are ${known.join(', ')}` : `did you mean ${meant}?`;
  throw usageError('KIND', `${JSON.stringify(text)} is no kind; ${rule}`);
}

/** `port`, `networks,ports`, or `all`: those of the tenant, and with all tenants also those that belong to none. */
export function kindsByArgument(text: string, scope: Scope): readonly AnyKind[] {
  if (text.toLowerCase() !== 'all') return [...new Set(text.split(',').map(kindByArgument))];
  return KINDS.filter((kind) => scope.allTenants || kind.scope === 'tenant');
}

/** `port web-0 web-1`, `port/web-0 network/blue`, `ports,networks` or `all`. */
export function selectionsOf(args: readonly string[], scope: Scope): readonly Selection[] {
  const [first = '', ...names] = args;
  if (first.includes('/')) return namedSelections(args);
  const kinds = kindsByArgument(first, scope);
  if (kinds.length > 1 && names.length > 0) {
    throw usageError('NAME', 'names need one kind; write KIND/NAME for resources of several');
  }
  return kinds.map((kind) => ({ kind, names: [...new Set(names.map(checkName))] }));
}

function namedSelections(args: readonly string[]): readonly Selection[] {
  const names = new Map<AnyKind, string[]>();
  for (const argument of args) {
    const [kindText = '', name, ...rest] = argument.split('/');
    if (name === undefined || rest.length > 0) {
      throw usageError('NAME', `${JSON.stringify(argument)} must be KIND/NAME, as the others are`);
    }
    const kind = kindByArgument(kindText);
    names.set(kind, [...(names.get(kind) ?? []), checkName(name)]);
  }
  return [...names].map(([kind, list]) => ({ kind, names: [...new Set(list)] }));
}

function checkName(text: string): string {
  const name = parseName(text);
  if (name.ok) return name.value;
  throw usageError('NAME', `${JSON.stringify(text)} ${name.error}`);
}

/** The tenant that stands on the subjects of a kind; `_` for all tenants, and for what belongs to none. */
export function tenantFor(kind: AnyKind, { tenant, allTenants }: Scope): string {
  if (kind.scope === 'system' || allTenants) return SYSTEM_TENANT;
  if (tenant !== undefined) return tenant;
  throw usageError('--tenant', `${pluralOf(kind)} belong to tenants: name one with -t or OUTBOARD_TENANT`);
}

/** As `tenantFor`, for one resource. */
export function tenantOfOne(kind: AnyKind, scope: Scope): string {
  if (scope.allTenants) throw usageError('--all-tenants', 'a name needs one tenant: -t');
  return tenantFor(kind, scope);
}
