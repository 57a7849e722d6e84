import type { Key } from '@outboard/store';

/** Labels contain no slash, so that the text names one key. */
export const keyText = ({ kind, tenant, name }: Key): string => `${kind}/${tenant}/${name}`;
