/** Acceleration sessions that this machine serves, as workloads use them. */
export interface AccelerationSessions {
  /** Where the sockets of a session are; undefined: it is not served here. */
  directoryOf(session: { readonly tenant: string; readonly name: string }): string | undefined;
  /** Lets a holder use these sessions and no others. Resolves when those that are served know it. */
  admit(
    holder: string,
    sessions: readonly {
      readonly tenant: string;
      readonly name: string;
      /** SHA-256 of the holder's token, 32 bytes. */
      readonly tokenDigest: Uint8Array;
    }[],
  ): Promise<void>;
}

/** Of a machine without acceleration. */
export const NO_SESSIONS: AccelerationSessions = {
  directoryOf: () => undefined,
  admit: async () => {},
};
