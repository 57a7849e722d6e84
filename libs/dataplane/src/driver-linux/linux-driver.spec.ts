import { linuxConformance } from '../../test/linux-conformance.js';

linuxConformance('quick');
