/** What a function's other end is called in the DPU's namespace: `pf0sf3` has `sf3`. */
export const functionDevice = (representor: string): string => representor.replace(/^pf\d+/, '');

export const representorName = (pfNumber: number, sfNumber: number): string => `pf${pfNumber}sf${sfNumber}`;

const ALIAS = 'outboard:admin:function/';

/** What is written onto a function's device, so that it is known wherever it is and whatever it is called. */
export const functionAlias = (device: string): string => `${ALIAS}${device}`;

/** The name in the DPU's namespace of a device with that alias; undefined: it is none of our functions. */
export const functionOfAlias = (alias: string | undefined): string | undefined =>
  alias?.startsWith(ALIAS) ? alias.slice(ALIAS.length) : undefined;
