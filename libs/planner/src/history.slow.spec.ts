import { describe, jest } from '@jest/globals';
import { historyProperties } from '../test/history-properties.js';

jest.setTimeout(120_000);

describe('any history of commands, inventory and reports, at length', () => {
  historyProperties({ sum: 150, contended: 200, removed: 120 });
});
