import type { CidrBlock, SecurityPeer as SecurityPeerMessage } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, atMost, required } from '../../fields.js';
import { parseIpPrefix, prefixCovers } from '../../ip.js';
import { parseLabelSelectorMessage } from '../../label-selector.js';
import { parseName } from '../../values.js';
import type { SecurityPeer } from './spec.js';

export const MAX_EXCEPTIONS = 16;

export function parsePeer(
  { portSelector, addressSet, cidrBlock }: SecurityPeerMessage,
  field: string,
  problems: Problems,
): SecurityPeer | undefined {
  const given = [portSelector, addressSet || undefined, cidrBlock].filter((each) => each !== undefined);
  if (given.length !== 1) {
    problems.add(field, 'must have exactly one of portSelector, addressSet, cidrBlock');
    return undefined;
  }
  if (portSelector !== undefined) {
    const selector = parseLabelSelectorMessage(portSelector, `${field}.portSelector`, problems);
    return selector && { kind: 'ports', selector };
  }
  if (cidrBlock !== undefined) return parseCidrBlock(cidrBlock, `${field}.cidrBlock`, problems);
  const name = required(problems, `${field}.addressSet`, addressSet, parseName);
  return name && { kind: 'addressSet', name };
}

function parseCidrBlock(
  { cidr: text, except }: CidrBlock,
  field: string,
  problems: Problems,
): SecurityPeer | undefined {
  const cidr = required(problems, `${field}.cidr`, text, parseIpPrefix);
  atMost(problems, `${field}.except`, except, MAX_EXCEPTIONS);
  const exceptions = all(
    except.map((prefix, index) => required(problems, `${field}.except[${index}]`, prefix, parseIpPrefix)),
  );
  if (cidr === undefined || exceptions === undefined) return undefined;
  for (const [index, prefix] of exceptions.entries()) {
    if (prefix === cidr || !prefixCovers(cidr, prefix))
      problems.add(`${field}.except[${index}]`, `must be in ${cidr}, and less than it`);
  }
  return { kind: 'cidr', cidr, except: exceptions };
}
