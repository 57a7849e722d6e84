import { describe } from '@jest/globals';
import { historyProperties } from '../test/history-properties.js';

// Many more of them are tried in the slow target.
describe('any history of commands, inventory and reports', () => {
  historyProperties({ sum: 25, contended: 35, removed: 20 });
});
