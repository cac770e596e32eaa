import type { ComponentChildren } from 'preact';
import type { DeviceState, Verdict } from '../../store/model.ts';

export type Tone = 'good' | 'bad' | 'warn' | 'info' | 'quiet';

export function Badge({ tone = 'quiet', children }: { readonly tone?: Tone; readonly children: ComponentChildren }) {
  return <span class={`badge badge-${tone}`}>{children}</span>;
}

const stateTones: Record<DeviceState, Tone> = {
  active: 'good',
  pending: 'warn',
  quarantined: 'bad',
  disabled: 'quiet',
  decommissioned: 'quiet',
};

export const StateBadge = ({ state }: { readonly state: DeviceState }) => (
  <Badge tone={stateTones[state]}>{state}</Badge>
);

const verdictTones: Record<Verdict | 'open', Tone> = {
  provisioned: 'good',
  renewed: 'good',
  refused: 'bad',
  failed: 'bad',
  abandoned: 'warn',
  open: 'info',
};

/** `undefined` is an attempt that is still open. */
export const VerdictBadge = ({ verdict = 'open' }: { readonly verdict?: Verdict | null | undefined | 'open' }) => (
  <Badge tone={verdictTones[verdict ?? 'open']}>{verdict ?? 'open'}</Badge>
);
