#!/usr/bin/env node
// Installs what makes and repairs the disks of these tests, besides what `npm run setup` brings.
import { installMissing } from '../../tools/debian-packages.mjs';

installMissing({ 'mkfs.ext4': 'e2fsprogs', e2fsck: 'e2fsprogs', mount: 'mount' });
