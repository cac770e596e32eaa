/** plgd's public prefix. */
export const plgdBase = '/device-provisioning-service/api/v1';

/**
 * Where a request for one of plgd's paths without the prefix is answered; undefined: it is ours. `/api/v1/hubs` is a path of both: it is
 * plgd's when the caller reads protojson, or filters as only plgd's callers do.
 */
export function plgdUrl(url: string, accept: string | undefined): string | undefined {
  const [path = '', query = ''] = url.split('?', 2);
  const found = /^\/api\/v1(\/(?:enrollment-groups|provisioning-records|hubs)(?:\/[^/]*)?)$/.exec(path);
  if (!found) return undefined;
  const rest = found[1] ?? '';
  const shared = rest.startsWith('/hubs');
  const asPlgd =
    accept?.includes('application/protojson') === true || /(?:^|&)(?:hub_?)?id_?filter(?:%5B%5D|\[\])?=/i.test(query);
  if (shared && !asPlgd) return undefined;
  return `${plgdBase}${rest}${query === '' ? '' : `?${query}`}`;
}
