import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { connectNats } from '@outboard/bus';
import { StateCache } from '@outboard/client';
import { AppError, systemClock } from '@outboard/core';
import { runProcess } from '@outboard/service-shell';
import { VirtualDpu } from './virtual-dpu.js';
import { wantedPods } from './wanted-pods.js';

const MAX_FUNCTIONS = 128;
const RETRY_MILLISECONDS = 1_000;
