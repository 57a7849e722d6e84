import { isLabel } from '@outboard/contracts';
import type { TenantName } from '@outboard/model';
import { CNI_CODE, CniError } from './cni-error.js';

/** Where a rule stands for every namespace that has none of its own, and for its own name as a tenant's. */
const ANY = '*';
/** Stands for pods that have no namespace: outside Kubernetes. */
const NONE = '_';

/**
 * Which tenant a pod's namespace belongs to. The agent decides it by its own configuration, not by what comes with a
 * pod: whoever may write network attachments in one namespace must not reach into another tenant.
 */
export class Tenancy {
  readonly #rules: ReadonlyMap<string, string>;

  private constructor(rules: ReadonlyMap<string, string>) {
    this.#rules = rules;
  }

  /** Every namespace is a tenant. */
  static readonly own = new Tenancy(new Map([[ANY, ANY]]));

  static readonly RULE =
    "pairs namespace=tenant joined by commas, each an RFC 1123 label; namespace *: all others, tenant *: the namespace's own name, namespace _: pods without one";

  /** `team-a=acme,*=*,_=acme`; undefined: it is not that. */
  static parse(text: string): Tenancy | undefined {
    const rules = new Map<string, string>();
    for (const pair of text.split(',')) {
      const [namespace = '', tenant = '', ...more] = pair.trim().split('=');
      if (more.length > 0 || rules.has(namespace)) return undefined;
      if (namespace !== ANY && namespace !== NONE && !isLabel(namespace)) return undefined;
      if (!isLabel(tenant) && !(tenant === ANY && namespace !== NONE)) return undefined;
      rules.set(namespace, tenant);
    }
    return new Tenancy(rules);
  }

  /** The tenant of a pod. `asked`: what the network configuration says. Throws CniError 7. */
  tenantOf(namespace: string | undefined, asked: TenantName | undefined): TenantName {
    if (namespace === undefined) {
      // The configuration is the machine administrator's then: nobody else's pods come by it.
      const tenant = asked ?? this.#rules.get(NONE);
      if (tenant !== undefined) return tenant as TenantName;
      throw refusal(
        'tenant must be set: the pod is in no namespace, and the agent has no tenant for such pods',
      );
    }
    const rule = this.#rules.get(namespace) ?? this.#rules.get(ANY);
    const tenant = rule === ANY ? namespace : rule;
    if (tenant === undefined || !isLabel(tenant)) {
      throw refusal(
        `namespace ${namespace} belongs to no tenant: the agent's OUTBOARD_TENANTS has no rule for it`,
      );
    }
    if (asked === undefined || asked === tenant) return tenant as TenantName;
    throw refusal(`tenant must be ${tenant} or absent: namespace ${namespace} does not belong to ${asked}`);
  }
}

const refusal = (text: string): CniError => new CniError(CNI_CODE.INVALID_CONFIGURATION, text, text);
