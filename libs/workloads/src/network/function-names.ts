/**
 * On both ends of the functions that we make, from the moment of their birth (IFLA_GROUP): `obf` in ASCII. It tells
 * them from functions of hardware, whose representors are called alike.
 */
export const FUNCTION_GROUP = 0x6f6266;

/** What a function's other end is called in the DPU's namespace: `pf0sf3` has `sf3`. */
export const functionDevice = (representor: string): string => representor.replace(/^pf\d+/, '');

export const representorName = (pfNumber: number, sfNumber: number): string => `pf${pfNumber}sf${sfNumber}`;

const ALIAS = 'outboard:admin:function/';

/** What is written onto a function's device, so that it is known wherever it is and whatever it is called. */
export const functionAlias = (device: string): string => `${ALIAS}${device}`;

/** The name in the DPU's namespace of a device with that alias; undefined: it is none of our functions. */
export const functionOfAlias = (alias: string | undefined): string | undefined =>
  alias?.startsWith(ALIAS) ? alias.slice(ALIAS.length) : undefined;
