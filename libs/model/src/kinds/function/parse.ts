import { create } from '@bufbuild/protobuf';
import { type FunctionSpec as FunctionSpecMessage, FunctionSpecSchema } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { optional } from '../../fields.js';
import { type Name, parseName } from '../../values.js';
import type { FunctionSpec } from './spec.js';

/** The pool of functions that name none. */
export const DEFAULT_POOL = 'default' as Name;

export const parseFunctionSpec = (
  message: FunctionSpecMessage = create(FunctionSpecSchema),
  problems: Problems,
): FunctionSpec => ({
  pool: optional(problems, 'spec.pool', message.pool, parseName) ?? DEFAULT_POOL,
});
