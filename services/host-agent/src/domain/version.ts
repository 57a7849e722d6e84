import { CNI_CODE, CniError } from './cni-error.js';

/** What is answered, oldest first. */
export const SUPPORTED_VERSIONS = ['0.4.0', '1.0.0', '1.1.0'] as const;
export type CniVersion = (typeof SUPPORTED_VERSIONS)[number];
/** What is answered in where the caller's version is none of them. */
export const NEWEST_VERSION: CniVersion = '1.1.0';

/** Whether something that a configuration has as its `cniVersion` is one of them. */
export const isSupported = (text: unknown): text is CniVersion =>
  SUPPORTED_VERSIONS.some((version) => version === text);

/** Both are of the list above, in which later is newer. */
export const isAtLeast = (version: CniVersion, minimum: CniVersion): boolean =>
  SUPPORTED_VERSIONS.indexOf(version) >= SUPPORTED_VERSIONS.indexOf(minimum);

/** The version that a configuration is in, and is answered in. Throws CniError. */
export function requireVersion(text: unknown): CniVersion {
  if (isSupported(text)) return text;
  const found = text === undefined ? 'none' : JSON.stringify(text);
  throw new CniError(
    CNI_CODE.INCOMPATIBLE_VERSION,
    `cniVersion must be one of ${SUPPORTED_VERSIONS.join(', ')}; the configuration has ${found}`,
  );
}

/** CHECK came with 0.4.0, STATUS and GC with 1.1.0. Throws CniError. */
export function requireVerb(verb: string, version: CniVersion, minimum: CniVersion): void {
  if (isAtLeast(version, minimum)) return;
  throw new CniError(
    CNI_CODE.INCOMPATIBLE_VERSION,
    `${verb} needs cniVersion ${minimum} or later, the configuration has ${version}`,
  );
}
