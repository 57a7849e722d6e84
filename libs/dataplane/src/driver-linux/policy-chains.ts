import {
  type Message,
  NFT_OBJECT,
  NFT_REG,
  NFT_VERDICT,
  type NftExpression,
  type NftExpressionOutput,
  type NftRule,
  nftChain,
  nftRule,
} from '@outboard/netlink';
import { groupBy } from '../group-by.js';
import { DONE, missing, secondOf } from '../handlers.js';
import { resultOfFailure } from '../kernel/batch.js';
import type { Place } from '../kernel/place.js';
import { guardKey, policyChainKey } from '../realise/linux-keys.js';
import type { PolicyChainSpec, RuleExpression, RuleVerdict } from '../realise/linux-objects.js';
import { isPortChain } from '../realise/policy-names.js';
import { FIXED_POLICY_CHAINS } from '../realise/policy-table.js';
import { type DeleteOperation, type Observed, type PutOperation } from './handler.js';
import { type Change, ifThere, policyTable, type TransactionHandler } from './nft-transactions.js';
import type { Places } from './places.js';

const CODES: Readonly<Record<RuleVerdict, number>> = {
  accept: NFT_VERDICT.ACCEPT,
  drop: NFT_VERDICT.DROP,
  return: NFT_VERDICT.RETURN,
  jump: NFT_VERDICT.JUMP,
  goto: NFT_VERDICT.GOTO,
};
const VERDICTS = new Map(Object.entries(CODES).map(([name, code]) => [code, name as RuleVerdict]));

const DENYING: PolicyChainSpec['rules'] = [[{ name: 'verdict', code: 'drop' }]];

const bytesOf = (hex: string): { readonly value: Uint8Array } => ({
  value: Uint8Array.from(Buffer.from(hex, 'hex')),
});
const hexOf = (data: { value?: Uint8Array } | undefined): string =>
  Buffer.from(data?.value ?? []).toString('hex');

/** Chains of policies and ports. A chain changes as a whole, in one transaction: no packet sees half of it. */
export class PolicyChains implements TransactionHandler {
  constructor(private readonly places: Places) {}

  putChange({ object }: PutOperation): Change {
    const spec = object.spec as PolicyChainSpec;
    const withoutPlace = missing(guardKey(spec.namespace, 'policies'));
    return {
      namespace: spec.namespace,
      messages: putMessages(spec),
      withoutPlace,
      // What a rule names is there by now, or the table is gone.
      failureOf: (failure) => (failure.code === 'ENOENT' ? withoutPlace : resultOfFailure(failure)),
    };
  }

  removeChange({ observed }: DeleteOperation): Change {
    const { namespace, name } = observed as PolicyChainSpec;
    return {
      namespace,
      messages: [nftChain.remove({ ...policyTable(), name })],
      withoutPlace: DONE,
      // As with Open vSwitch: who is asked and should not be there any more has nothing allowed.
      whileNamed: rulesMessages({ name, rules: DENYING }),
    };
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    if (keys === 'all') return (await Promise.all([...this.places.routers()].map(observeAll))).flat();
    const found: Observed[] = [];
    for (const [place, own] of groupBy(keys, (key) => this.places.router(secondOf(key)))) {
      for (const key of own) {
        const name = key.slice(policyChainKey(place.name, '').length);
        if (!(await exists(place, name))) continue;
        found.push(observed(place, name, await rulesOf(place, name)));
      }
    }
    return found;
  }
}

const putMessages = (spec: PolicyChainSpec): Message[] => [
  nftChain.append({ ...policyTable(), name: spec.name }),
  ...rulesMessages(spec),
];

function rulesMessages({ name, rules }: Pick<PolicyChainSpec, 'name' | 'rules'>): Message[] {
  const chain = { ...policyTable(), chain: name };
  return [
    nftRule.remove(chain),
    ...rules.map((rule) => nftRule.append({ ...chain, expressions: rule.map(toKernel) })),
  ];
}

const exists = async (place: Place, name: string): Promise<boolean> =>
  (await ifThere(() => place.netfilter.get(nftChain.get({ ...policyTable(), name })))) !== undefined;

async function observeAll(place: Place): Promise<Observed[]> {
  const { nfgenFamily, table } = policyTable();
  const chains = (await place.netfilter.dump(nftChain.dump({ nfgenFamily }))).filter(
    (chain) => chain.table === table && !FIXED_POLICY_CHAINS.has(chain.name ?? ''),
  );
  if (chains.length === 0) return [];
  const rules = await rulesOf(place);
  const byChain = groupBy(rules, ({ chain }) => chain);
  return chains.map(({ name = '' }) => observed(place, name, byChain.get(name) ?? []));
}

/** The rules of a chain, or of all; none where it is not. */
const rulesOf = async (place: Place, chain?: string): Promise<readonly NftRule[]> =>
  (await ifThere(() =>
    place.netfilter.dump(nftRule.dump({ ...policyTable(), ...(chain === undefined ? {} : { chain }) })),
  )) ?? [];

function observed({ name: namespace }: Place, name: string, rules: readonly NftRule[]): Observed {
  const spec: PolicyChainSpec = {
    kind: isPortChain(name) ? 'portchain' : 'rulechain',
    namespace,
    name,
    rules: rules.map(({ expressions }) => (expressions ?? []).map(fromKernel)),
  };
  const key = policyChainKey(namespace, name);
  return { key, spec, within: guardKey(namespace, 'policies'), ownership: { kind: 'owned' } };
}

function toKernel(expression: RuleExpression): NftExpression {
  switch (expression.name) {
    case 'ct':
    case 'meta':
    case 'lookup': {
      const { name, ...data } = expression;
      return { name, data };
    }
    case 'bitwise': {
      const { name, mask, xor, ...data } = expression;
      return { name, data: { ...data, mask: bytesOf(mask), xor: bytesOf(xor) } };
    }
    case 'cmp': {
      const { name, data, ...rest } = expression;
      return { name, data: { ...rest, data: bytesOf(data) } };
    }
    case 'load':
      return { name: 'immediate', data: { dreg: expression.dreg, data: bytesOf(expression.data) } };
    case 'count':
      return { name: 'objref', data: { immType: NFT_OBJECT.COUNTER, immName: expression.counter } };
    case 'verdict': {
      const { code, chain } = expression;
      const verdict = { code: CODES[code], ...(chain === undefined ? {} : { chain }) };
      return { name: 'immediate', data: { dreg: NFT_REG.VERDICT, data: { verdict } } };
    }
  }
}

/** As `toKernel` was given it; of what it never gives, something that equals nothing. */
function fromKernel({ name = '', data = {} }: NftExpressionOutput): RuleExpression {
  const { key = -1, dreg = -1, sreg = -1 } = data;
  switch (name) {
    case 'ct':
      return { name, key, dreg, ...(data.direction === undefined ? {} : { direction: data.direction }) };
    case 'meta':
      return {
        name,
        key,
        ...(data.dreg === undefined ? {} : { dreg }),
        ...(data.sreg === undefined ? {} : { sreg }),
      };
    case 'lookup':
      return { name, set: data.set ?? '', sreg };
    case 'bitwise':
      return { name, sreg, dreg, len: data.len ?? 0, mask: hexOf(data.mask), xor: hexOf(data.xor) };
    case 'cmp':
      return { name, sreg, op: data.op ?? -1, data: hexOf(data.data) };
    case 'objref':
      return { name: 'count', counter: data.immName ?? '' };
    case 'immediate': {
      const verdict = data.data?.verdict;
      if (verdict === undefined) return { name: 'load', dreg, data: hexOf(data.data) };
      const code = VERDICTS.get(verdict.code ?? -1) ?? 'drop';
      return { name: 'verdict', code, ...(verdict.chain === undefined ? {} : { chain: verdict.chain }) };
    }
    default:
      return { name: 'count', counter: `an expression ${name}` };
  }
}
