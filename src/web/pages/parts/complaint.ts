import { problemIn } from '../../api/client.ts';

/**
 * What the service says is wrong at a place of what was sent (`acl.0.resources`), or somewhere below it; `exactly`: there, and
 * not below it, because what is below has fields of its own.
 */
export type Complain = (place: string, how?: 'exactly') => string | undefined;

/** One of them: `anchors.1`, and what was expected there. */
export interface Complaint {
  readonly place: string;
  readonly text: string;
}

/** All that an answer says is wrong, with where it is; of what is about no place nothing. */
export function complaintsIn(error: unknown): readonly Complaint[] {
  if (error === undefined) return [];
  const { title, fix, evidence } = problemIn(error);
  const named = evidence?.key ?? evidence?.at;
  if (typeof named !== 'string') return [];
  // Of several faults each is told with its place (api/validation.ts).
  const several = [...(fix ?? '').matchAll(/(?:^|; )body\.(\S+): (.*?)(?=; body\.|$)/gs)];
  if (several.length > 0) return several.map(([, at = '', text = '']) => ({ place: placeOf(at), text }));
  return [{ place: placeOf(named), text: fix || title }];
}

export function complainOf(complaints: readonly Complaint[]): Complain {
  return (place, how) => {
    const found = complaints.find(
      (complaint) => complaint.place === place || (how === undefined && complaint.place.startsWith(`${place}.`)),
    );
    if (!found) return undefined;
    return found.place === place ? found.text : `${found.place.slice(place.length + 1)}: ${found.text}`;
  };
}

/** `body.anchors.1`, `anchors[1]` -> `anchors.1` */
const placeOf = (key: string): string => key.replace(/^body\.?/, '').replaceAll(/\[(\d+)\]/g, '.$1');
