import type { Spec } from '../driver.js';
import type { DataplaneEngine, DataplaneEngineOptions } from '../engine.js';
import { Engine } from './engine.js';

/** The engine over a driver; it works once it is started. */
export const createEngine = <S extends Spec>(options: DataplaneEngineOptions<S>): DataplaneEngine<S> =>
  new Engine(options);
