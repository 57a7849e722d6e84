#!/usr/bin/env node
// Installs what the network functions of these tests run, besides what `npm run setup` brings. No daemon is started: the
// functions run their own.
import { installMissing } from '../../tools/debian-packages.mjs';

installMissing({
  busybox: 'busybox-static',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
  '/usr/lib/ipsec/charon': 'strongswan-charon',
  '/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so': 'libcharon-extra-plugins',
  '/usr/lib/ipsec/plugins/libstrongswan-openssl.so': 'libstrongswan-standard-plugins',
  '/usr/lib/ipsec/plugins/libstrongswan-vici.so': 'strongswan-swanctl',
});
