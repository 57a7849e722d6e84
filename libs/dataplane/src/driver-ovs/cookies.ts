import { hash as digest } from 'node:crypto';
import { PIPELINE_REVISION } from './realise/pipeline.js';

/** The first two bytes of the cookies of our flows: `OB`. The rest tells the neutral object, or the pipeline. */
export const COOKIE_PREFIX = 0x4f42n << 48n;
export const COOKIE_MASK = 0xffffn << 48n;
export const PIPELINE_COOKIE_PREFIX = COOKIE_PREFIX | (0xffffn << 32n);
export const PIPELINE_COOKIE_MASK = 0xffffffffn << 32n;
export const PIPELINE_COOKIE = PIPELINE_COOKIE_PREFIX | BigInt(PIPELINE_REVISION);

export const isPipelineCookie = (cookie: bigint): boolean =>
  (cookie & PIPELINE_COOKIE_MASK) === PIPELINE_COOKIE_PREFIX;

/** `0x4f42`, zero to distinguish it from the pipeline's, and 32 bits of the key's hash. */
export const cookieOf = (key: string): bigint =>
  COOKIE_PREFIX | BigInt(`0x${digest('sha256', key, 'hex').slice(0, 8)}`);
