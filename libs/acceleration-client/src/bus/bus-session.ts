import { laneOfProgram, type SessionDescription } from '@outboard/acceleration';
import type { StateCache } from '@outboard/client';
import {
  type AccelerationSession,
  addressOf,
  EMPTY_SESSION_POLICY,
  effectivePolicy,
  type JobProgram,
  type PartialSessionPolicy,
} from '@outboard/model';
import { AcceleratorError } from '../accelerator-error.js';
import type { SessionLocation } from '../session-description.js';

/** How long a session that is nowhere is waited for at each try, milliseconds. */
const WAIT_MILLISECONDS = 2000;

/** Where a session is. */
export interface SessionPlace {
  readonly dpu: string;
  readonly epoch: number;
  /** As the DPU names it. */
  readonly socketDirectory: string;
}

export interface BusSessionOptions {
  /** Of the session's tenant. */
  readonly state: Pick<StateCache, 'get' | 'until' | 'onChange'>;
  readonly tenant: string;
  readonly name: string;
  /** 32 bytes: of whoever made the session, or what its verb `token` gave. */
  readonly token: Uint8Array;
  /** Where the directory is here, if it is not where the DPU has it. */
  readonly directoryOf?: (place: SessionPlace) => string;
}

/**
 * An acceleration session by its name, for an application that is on the bus: where it is now, wherever it moves. `locate`
 * and `known` are what an `AccelerationClient` asks for.
 */
export class BusSession {
  #wasThere = false;

  constructor(private readonly options: BusSessionOptions) {}

  /** Undefined: no DPU has it now. */
  get place(): SessionPlace | undefined {
    const { dpu, epoch, socketDirectory } = this.#resource?.status ?? {};
    return dpu === undefined || epoch === undefined || socketDirectory === undefined
      ? undefined
      : { dpu, epoch, socketDirectory };
  }

  /**
   * Where to connect. Rejects with UNAVAILABLE when no DPU gets it within a while; at once, with a NOT_FOUND that is final, when
   * it was there and is over: revoked, or ended by itself.
   */
  readonly locate = async (): Promise<SessionLocation> => {
    const {
      state,
      tenant,
      name,
      token,
      directoryOf = ({ socketDirectory }) => socketDirectory,
    } = this.options;
    const what = `session ${tenant}/${name} is on a DPU`;
    let place: SessionPlace | 'over';
    try {
      place = await state.until(what, () => (this.#isOver ? 'over' : this.place), WAIT_MILLISECONDS);
    } catch {
      const isThere = this.#resource !== undefined;
      const why = isThere ? `not so: ${what}` : `there is no session ${tenant}/${name}`;
      throw new AcceleratorError('UNAVAILABLE', 0, why);
    }
    if (place === 'over')
      throw new AcceleratorError('NOT_FOUND', 0, `session ${tenant}/${name} is over`, true);
    return { directory: directoryOf(place), token };
  };

  /** What the session may do, so that the host can do it where no DPU ever had the session. */
  readonly known = (): Pick<SessionDescription, 'hostFallback' | 'programs'> | undefined => {
    const session = this.#resource;
    if (session === undefined) return undefined;
    const { programs, policies } = this.#asked(session);
    return {
      hostFallback: effectivePolicy(...policies).hostFallback,
      programs: programs.map(({ id, steps }) => ({ id, lane: laneOfProgram({ steps }), steps })),
    };
  };

  /** Calls back with each place after the present one, until disposed. */
  onMove(listener: (place: SessionPlace) => void): Disposable {
    let epoch = this.place?.epoch;
    return this.options.state.onChange(() => {
      const { place } = this;
      if (place === undefined || place.epoch === epoch) return;
      epoch = place.epoch;
      listener(place);
    });
  }

  get #isOver(): boolean {
    return this.#resource === undefined && this.#wasThere;
  }

  get #resource(): AccelerationSession | undefined {
    const { state, tenant, name } = this.options;
    const found = state.get(addressOf({ kind: 'AccelerationSession', metadata: { tenant, name } }));
    if (found?.kind !== 'AccelerationSession') return undefined;
    this.#wasThere = true;
    return found;
  }

  /** Of the session, and of its profile where it has one. */
  #asked({ spec }: AccelerationSession): {
    readonly programs: readonly JobProgram[];
    readonly policies: readonly PartialSessionPolicy[];
  } {
    const { state, tenant } = this.options;
    if (spec.profile === undefined) return { programs: spec.programs, policies: [spec.policy] };
    const metadata = { tenant, name: spec.profile };
    const profile = state.get(addressOf({ kind: 'AccelerationProfile', metadata }));
    return profile?.kind === 'AccelerationProfile'
      ? { programs: profile.spec.programs, policies: [spec.policy, profile.spec.policy] }
      : { programs: [], policies: [spec.policy, EMPTY_SESSION_POLICY] };
  }
}
