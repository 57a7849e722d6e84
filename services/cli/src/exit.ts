/** Exit codes: as the manual promises them to scripts. */
export const EXIT = { ok: 0, refused: 1, usage: 2, timeout: 124, interrupted: 130 } as const;
