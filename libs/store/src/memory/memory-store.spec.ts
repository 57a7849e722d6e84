import { storeContract } from '../contract-suite.js';
import { openMemoryStore } from './memory-store.js';

storeContract('the memory store', async () => openMemoryStore());
