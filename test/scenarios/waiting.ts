import { waitUntil } from '@outboard/testbed';
import { type Attempt, PING, type Site, type SitePod } from './site.js';

/** Whether an address is answered at once. */
export const isAnswered = async (
  site: Site,
  from: SitePod,
  ip: string,
  attempt: Attempt = PING,
): Promise<boolean> => (await site.answered(from, ip, attempt)) !== undefined;

export const untilAnswered = (site: Site, from: SitePod, ip: string): Promise<void> =>
  waitUntil(`${from.name} reaches ${ip}`, async () =>
    (await isAnswered(site, from, ip)) ? undefined : 'nobody answers',
  );

export const untilSilent = (site: Site, from: SitePod, ip: string): Promise<void> =>
  waitUntil(`${from.name} does not reach ${ip}`, async () =>
    (await isAnswered(site, from, ip)) ? 'somebody answers' : undefined,
  );

/** Every pod reaches every address of every other. */
export const untilAllAnswer = (site: Site, pods: readonly SitePod[], attempt: Attempt): Promise<void> =>
  waitUntil('all pods reach each other', async () => {
    const tries = pods.flatMap((from) =>
      pods.flatMap((to) => (from === to ? [] : to.addresses.map((ip) => ({ from, ip })))),
    );
    const outcomes = await Promise.all(
      tries.map(async ({ from, ip }) =>
        (await isAnswered(site, from, ip, attempt)) ? [] : [`${from.name} ${ip}`],
      ),
    );
    return outcomes.flat().join('; ') || undefined;
  });
