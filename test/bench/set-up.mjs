#!/usr/bin/env node
// Installs what benchmarks compare with, besides what `npm run setup` brings.
import { installMissing } from '../../tools/debian-packages.mjs';

installMissing({ '/usr/lib/cni/bridge': 'containernetworking-plugins', openssl: 'openssl' });
